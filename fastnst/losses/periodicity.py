"""The periodicity term: the grid texture that a network's upsampling leaves in flat areas."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from fastnst.losses.term import LossTerm, TermInputs

_PERIODS_PER_WINDOW = 8  # of the period in one window


def periodicity(images: Tensor, period: int) -> Tensor:
    """Strength of what repeats with a period, window by window: the energy of each window's mean cell.

    A window of 8 × 8 cells of `period` × `period` pixels is averaged over its cells, after all that is wider than two
    cells was taken away. What is left of textures and noise is a 64th of their energy; a grid texture stays whole.
    Without such a term networks make one: to the perceptual network it is texture.

    Args:
        images: float `[N, C, H, W]` in [0, 1], H and W at least 8 periods; what does not fill a window is left out.
        period: of the upsampling, in pixels: the network's stride.

    Returns `[N]`: the mean square of the cells' deviations. Photos have about 5e-5, a grid that can be seen 2e-4.
    """
    reach = period  # a mean of an odd number of pixels leaves ramps as they are
    around = F.avg_pool2d(F.pad(images, (reach,) * 4, mode="reflect"), 2 * reach + 1, stride=1)
    count, channels, height, width = images.shape
    rows, columns = height // (period * _PERIODS_PER_WINDOW), width // (period * _PERIODS_PER_WINDOW)
    fine = (images - around)[:, :, : rows * period * _PERIODS_PER_WINDOW, : columns * period * _PERIODS_PER_WINDOW]
    cells = fine.reshape(count, channels, rows, _PERIODS_PER_WINDOW, period, columns, _PERIODS_PER_WINDOW, period).mean(
        (3, 6)
    )
    found: Tensor = (cells - cells.mean((3, 5), keepdim=True)).square().mean((1, 2, 3, 4, 5))
    return found


class PeriodicityTerm(LossTerm):
    """The term against what repeats with the stride of the network that made the pictures (`periodicity`)."""

    name = "periodicity"
    label = "periodicity"
    about = "weight of what repeats with the network's stride; about 2000 where it is wanted."
    needs = frozenset({"pixels", "stride"})
    former_keys = ("weave_weight",)

    def forward(self, inputs: TermInputs) -> Tensor:
        """`[N]`."""
        return periodicity(inputs.images.float(), inputs.made_by.stride)
