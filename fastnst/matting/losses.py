"""MODNet's objective (Ke et al. 2022, section 3): one loss a branch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.matting.network import Mattes

SEMANTIC_WEIGHT = 10.0  # ibid., section 4.1
DETAIL_WEIGHT = 10.0
_BOUNDARY_FACTOR = 4.0  # the alpha near outlines counts five times; from the authors' training code
_BOUNDARY_SHARE = 1 / 20  # width of the band around outlines in sides of the picture; ibid.
_SEMANTIC_SCALE = 1 / 16


class MattingTerms(NamedTuple):
    """The weighted terms and their sum, each a scalar."""

    semantic: Tensor
    detail: Tensor
    fusion: Tensor
    total: Tensor


def matting_terms(found: Mattes, alpha: Tensor, image: Tensor) -> MattingTerms:
    """The objective for the true `alpha` `[N, 1, H, W]` of `image` `[N, 3, H, W]` in [−1, 1].

    - semantic: squared distance to the blurred alpha at 1/16;
    - detail: absolute distance to the alpha in the band around the outlines;
    - fusion: absolute distance to the alpha everywhere, again in the band, and the same for the composited pixels.
    """
    assert found.semantic is not None
    assert found.detail is not None
    band = boundary(alpha)
    semantic = SEMANTIC_WEIGHT * F.mse_loss(found.semantic, semantic_target(alpha))
    detail = DETAIL_WEIGHT * (band * (found.detail - alpha).abs()).mean()
    error = (found.alpha - alpha).abs()
    weighted = error * (1 + _BOUNDARY_FACTOR * band)
    fusion = weighted.mean() + (weighted * image.abs()).mean()
    return MattingTerms(semantic, detail, fusion, semantic + detail + fusion)


def semantic_target(alpha: Tensor) -> Tensor:
    """The alpha at 1/16 of its size, smoothed: where people are, without their outlines."""
    small = F.interpolate(alpha, scale_factor=_SEMANTIC_SCALE, mode="area")
    # A 3×3 Gaussian of sigma 0.8, separable.
    taps = torch.tensor([0.2389, 0.5222, 0.2389], dtype=alpha.dtype, device=alpha.device)
    kernel = torch.outer(taps, taps)[None, None]
    return F.conv2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), kernel)


def boundary(alpha: Tensor) -> Tensor:
    """1 in the band around outlines, where a dilated and an eroded alpha differ; else 0. `[N, 1, H, W]`."""
    side = max(3, round((alpha.shape[2] + alpha.shape[3]) / 2 * _BOUNDARY_SHARE))
    side += 1 - side % 2
    dilated = F.max_pool2d(alpha, side, 1, side // 2)
    eroded = -F.max_pool2d(-alpha, side, 1, side // 2)
    return (dilated - eroded > 1 / 255).to(alpha.dtype)
