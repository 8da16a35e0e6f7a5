"""Sliced Wasserstein: a style as the distribution of features seen from many directions, not of their products alone.

Heitz et al. 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis". Between two sets of numbers the squared
Wasserstein-2 distance is that of their sorted values, so the sorted projections are a statistic like a Gram matrix.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

_BINS = 128  # of equal mass that sorted values are averaged over: pictures of any size then compare


def sliced_quantiles(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Features `[N, C, H, W]` projected on C fixed directions, sorted, in bins of equal mass: `[N, C · bins]` float32.

    The mean square of two pictures' difference is the squared Wasserstein-2 distance of their distributions, averaged
    over the directions. With a mask `[N, 1, H, W]`, values at the bins' middles of the masked distribution.
    """
    directions = _directions(features.shape[1]).to(features.device)
    projected = torch.einsum("kc,ncp->nkp", directions, features.float().flatten(2))
    values, order = projected.sort(dim=2)
    if mask is None:
        return F.adaptive_avg_pool1d(values, _BINS).flatten(1)
    weights = mask.float().flatten(2).expand_as(values).gather(2, order)
    mass = weights.cumsum(2)
    middles = (torch.arange(_BINS, device=mass.device) + 0.5) / _BINS * mass[..., -1:]
    places = torch.searchsorted(mass, middles).clamp(max=values.shape[2] - 1)
    return values.gather(2, places).flatten(1)


@functools.lru_cache(maxsize=16)
def _directions(channels: int) -> Tensor:
    """As many random orthogonal directions as there are channels, the same in every process: `[C, C]`."""
    generator = torch.Generator().manual_seed(channels)
    found: Tensor = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
    return found
