"""The Laplacian term: lines of the photo that stay where and as they are, eyes and mouths among them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from fastnst.losses.statistics import mask_at
from fastnst.losses.term import LossTerm, TermInputs

_CELL = 4  # pixels: strokes within a cell are free
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601
_FAINT = 1e-4  # mean square of the Laplacian of a photo without lines, in whose place it divides


def laplacian(images: Tensor) -> Tensor:
    """The second differences of the light of cells of 4×4 pixels: neighbours' sum minus four times the middle.

    Li et al. 2017, "Laplacian-Steered Neural Style Transfer", eq. 5 and 6, of the luma, so that colours stay free.
    Float RGB `[N, 3, H, W]` in [0, 1] to `[N, 1, H/4 − 2, W/4 − 2]`.
    """
    cells = F.avg_pool2d(images, _CELL)
    light = _LUMA[0] * cells[:, :1] + _LUMA[1] * cells[:, 1:2] + _LUMA[2] * cells[:, 2:]
    middle = light[:, :, 1:-1, 1:-1]
    around = light[:, :, :-2, 1:-1] + light[:, :, 2:, 1:-1] + light[:, :, 1:-1, :-2] + light[:, :, 1:-1, 2:]
    found: Tensor = around - 4 * middle
    return found


class LaplacianTerm(LossTerm):
    """Squared distance of the light's Laplacian from the photo's, relative to the photo's own (`laplacian`)."""

    name = "laplacian"
    label = "Laplacian"
    about = "weight of the photo's lines, which keep faces readable; 0.3 to 1 where it is wanted."
    needs = frozenset({"pixels"})
    masked = True

    def forward(self, inputs: TermInputs) -> Tensor:
        """`[N]`; a mask multiplies the errors of its positions. 0 for the photo itself, 1 for a picture of no lines."""
        photo = laplacian(inputs.photos.photos.float())
        errors = (laplacian(inputs.images.float()) - photo).square()
        mask = mask_at(inputs.masks.get(self.name), photo)
        if mask is not None:
            errors = errors * mask
        return errors.mean((1, 2, 3)) / (photo.square().mean((1, 2, 3)) + _FAINT)
