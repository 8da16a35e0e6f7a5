"""Pure functions of feature maps and images: the statistics that the objective is composed of.

Feature maps are float tensors `[N, C, H, W]`; a mask is a float tensor `[N, 1, H, W]` (or `[1, 1, H, W]`)
in [0, 1] at the feature map's own size. Sums are taken in float32 whatever the input's precision, since
the entries of a Gram matrix span more magnitudes than half precision holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-12  # guards 0 / 0 for an all-black layer or an empty mask; far below any real activation


def gram_matrix(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Gram matrix of the channels, G = F Fᵀ / (H W) (Gatys et al. 2016, eq. 3, divided by the area).

    With a mask m, G = Σ m f fᵀ / Σ m: the statistics of the masked region, whatever its size.
    Returns `[N, C, C]` float32.
    """
    if mask is None:
        gram: Tensor = _GramMatrix.apply(features)
        return gram
    flat, weights = _flatten(features, mask)  # [N, C, HW], [N, 1, HW]
    assert weights is not None
    return (flat * weights) @ flat.transpose(1, 2) / weights.sum(dim=2, keepdim=True).clamp_min(_EPSILON)


class _GramMatrix(torch.autograd.Function):
    """The unmasked Gram matrix with its closed-form gradient, (g + gᵀ) F / (H W).

    Autograd would multiply once for each of the two factors, in float32 and out of the channels_last layout.
    One product in the features' own precision gives the same, several times faster: its result is rounded to
    that precision anyway. Both products read the channels_last layout `[N, HW, C]` without a copy.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        rows = features.permute(0, 2, 3, 1).flatten(1, 2)  # [N, HW, C]
        ctx.save_for_backward(features)
        gram: Tensor = _summed_in_float32(rows) / rows.shape[1]
        return gram

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        (features,) = ctx.saved_tensors
        count, channels, height, width = features.shape
        rows = features.permute(0, 2, 3, 1).flatten(1, 2)
        symmetric = (gradient + gradient.transpose(1, 2)) / (height * width)
        # Scaled into the middle of half precision's range for the product, and back.
        scale = symmetric.detach().abs().amax().clamp_min(1e-30)
        product: Tensor = rows @ (symmetric / scale).to(rows.dtype) * scale.to(rows.dtype)
        return product.view(count, height, width, channels).permute(0, 3, 1, 2)


def _summed_in_float32(rows: Tensor) -> Tensor:
    """F Fᵀ of `[N, HW, C]` with sums in float32; a GPU does that without a float32 copy of the features."""
    if rows.is_cuda and rows.dtype == torch.bfloat16:
        return torch.bmm(rows.transpose(1, 2), rows, out_dtype=torch.float32)
    precise = rows.float()
    return precise.transpose(1, 2) @ precise


def covariance(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Covariance matrix of the channels (biased): the Gram matrix of the centred features. `[N, C, C]` float32.

    Unlike the Gram matrix it does not change with a layer's mean brightness (used as a style statistic by
    Li et al., "Universal Style Transfer via Feature Transforms", 2017).
    """
    flat, weights = _flatten(features, mask)
    if weights is None:
        centred = flat - flat.mean(dim=2, keepdim=True)
        return centred @ centred.transpose(1, 2) / flat.shape[2]
    area = weights.sum(dim=2, keepdim=True).clamp_min(_EPSILON)
    centred = flat - (flat * weights).sum(dim=2, keepdim=True) / area
    return (centred * weights) @ centred.transpose(1, 2) / area


def mean_std(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean and standard deviation of each channel, concatenated: `[N, 2C]` float32 (Li et al. 2017, AdaIN 2017)."""
    flat, weights = _flatten(features, mask)
    if weights is None:
        mean = flat.mean(dim=2)
        variance = flat.var(dim=2, correction=0)
    else:
        area = weights.sum(dim=2).clamp_min(_EPSILON)  # [N, 1]
        mean = (flat * weights).sum(dim=2) / area
        variance = ((flat - mean[..., None]).square() * weights).sum(dim=2) / area
    # The square root's slope is infinite at 0: a constant channel would turn the gradient into NaN.
    return torch.cat([mean, (variance + 1e-8).sqrt()], dim=1)


def total_variation(images: Tensor) -> Tensor:
    """Squared total variation, the mean over pixels and channels of dx² + dy². `[N, C, H, W]` → `[N]`.

    This is the β = 2 form of Mahendran & Vedaldi (2015), which Johnson et al. (2016) use. Differences run
    between neighbours only, so the border adds nothing of its own.
    """
    images = images.float()
    across = (images[..., :, 1:] - images[..., :, :-1]).square().flatten(1).sum(1)
    down = (images[..., 1:, :] - images[..., :-1, :]).square().flatten(1).sum(1)
    return (across + down) / images[0].numel()


def squared_distance(features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sum of squared differences for each sample, `[N]` float32; `mask` weighs positions.

    `target` may have a batch of one, which is then compared with every sample.
    """
    difference = (features.float() - target.float()).square()
    if mask is not None:
        difference = difference * mask
    return difference.flatten(1).sum(1)


def squared_norm(features: Tensor) -> Tensor:
    """Sum of squares for each sample, `[N]` float32, never exactly 0 so that it can divide."""
    return features.float().square().flatten(1).sum(1).clamp_min(_EPSILON)


def resize_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Average a mask `[N, 1, H, W]` down to a feature map's `(height, width)`: each weight is its area's mean."""
    return F.interpolate(mask.float(), size=size, mode="area")


def _flatten(features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    flat = features.float().flatten(2)  # [N, C, HW]
    return flat, None if mask is None else mask.float().flatten(2).expand(flat.shape[0], 1, -1)


def mask_at(mask: Tensor | None, features: Tensor) -> Tensor | None:
    """The mask at the features' size; None for none."""
    return None if mask is None else resize_mask(mask, (features.shape[2], features.shape[3]))


def layer_weights(layers: Sequence[str], weights: Sequence[float] | None, normalization: str) -> dict[str, float]:
    """The weight of each layer (default: equal): scaled to sum to one where the normalization averages layers."""
    values = weights if weights is not None else [1.0] * len(layers)
    scale = 1 / sum(values) if normalization in ("relative", "gatys") and layers else 1.0
    return {layer: weight * scale for layer, weight in zip(layers, values, strict=True)}
