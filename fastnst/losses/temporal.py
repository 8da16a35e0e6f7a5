"""Temporal consistency learned from single photos: known small motions and noise, so no video is needed.

A video network flickers because it answers small changes of its input (a shift of a pixel, sensor noise) with large
ones. Shift a photo by a motion that we choose, restyle both, shift the first result by the same motion: the two should
be equal. The idea of training with such pairs instead of video is that of Eilertsen et al., "Single-frame
Regularization for Temporally Stable CNNs" (CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.losses.term import LossTerm, TermInputs

_MAX_SHIFT = 8.0  # pixels, the largest translation
_WARP_SIGMA = 2.0  # pixels, the standard deviation of the smooth deformation
_WARP_CELLS = 4  # of the deformation's control grid, a side
_MAX_ZOOM = 0.03
_NOISE_SIGMA = 0.02  # standard deviation, of 1


class Motion(NamedTuple):
    """Sampling grid of each pixel's origin (`grid_sample`'s `[N, H, W, 2]`), and which of them were in the picture."""

    grid: Tensor
    visible: Tensor  # [N, 1, H, W], 0 or 1


def random_motion(count: int, height: int, width: int, generator: torch.Generator) -> Motion:
    """A small translation, zoom and smooth deformation for each of `count` pictures; drawn on the CPU."""
    extent = torch.tensor([width, height], dtype=torch.float32)
    shift = (torch.rand(count, 1, 1, 2, generator=generator) * 2 - 1) * _MAX_SHIFT * 2 / extent
    zoom = 1 + (torch.rand(count, 1, 1, 1, generator=generator) * 2 - 1) * _MAX_ZOOM
    control = torch.randn(count, 2, _WARP_CELLS, _WARP_CELLS, generator=generator) * _WARP_SIGMA
    warp = F.interpolate(control, (height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    identity = F.affine_grid(torch.eye(2, 3).expand(count, 2, 3), [count, 1, height, width], align_corners=False)
    grid = identity * zoom + shift + warp * 2 / extent
    return Motion(grid, (grid.abs().amax(dim=3) < 1).float()[:, None])


def warp(images: Tensor, motion: Motion) -> Tensor:
    """Move images `[N, C, H, W]`; bicubic, so that details are not blurred away, which would reward blur."""
    grid = motion.grid.to(images.device)
    moved: Tensor = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return moved


def inconsistency(
    restyle: Callable[[Tensor], Tensor], photos: Tensor, restyled: Tensor, generator: torch.Generator
) -> Tensor:
    """The change of the result beyond the motion: ‖S(T x + noise) − T S(x)‖² over its variance, a scalar.

    Args:
        restyle: the network S.
        photos: x, float RGB `[N, 3, H, W]` in [0, 1].
        restyled: S(x), already computed.
        generator: of the motion and the noise.

    0 is perfect; two unrelated pictures of the same kind have 2. Dividing by the variance keeps a grey picture from
    being the best answer.
    """
    motion = random_motion(len(photos), photos.shape[2], photos.shape[3], generator)
    noise = torch.randn(photos.shape, generator=generator).to(photos.device) * _NOISE_SIGMA
    again = restyle((warp(photos, motion) + noise).clamp(0, 1)).float()
    visible = motion.visible.to(photos.device)
    restyled = restyled.float()
    error = ((again - warp(restyled, motion)).square() * visible).sum() / (3 * visible.sum()).clamp_min(1)
    return error / restyled.var(dim=(2, 3)).mean().clamp_min(1e-4)


class TemporalTerm(LossTerm):
    """The change of the network's result under small motions and noise (`inconsistency`), for steady video."""

    name = "temporal"
    label = "temporal consistency"
    about = "weight of the change under small motions and noise; about 4 for steady video."
    needs = frozenset({"pairs"})
    former_keys = ("temporal",)

    def forward(self, inputs: TermInputs) -> Tensor:
        """A scalar over the batch."""
        made_by = inputs.made_by
        generator = torch.Generator().manual_seed(made_by.seed)
        return inconsistency(made_by.restyle, made_by.photos, inputs.images, generator)
