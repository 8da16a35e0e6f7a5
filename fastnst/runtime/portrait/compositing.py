"""Put people before another background without halos: clean colours on both sides of the outline, linear light.

A pixel on an outline is α·F + (1 − α)·B. Before a person is put elsewhere, F and B are estimated, after Forte 2021,
"Approximate Fast Foreground Colour Estimation": both are averaged over what belongs to them nearby, and what is left
over goes back to each in proportion to its share. Other than there, mixed pixels hardly count in the averages: they
would bring the other side's colour along.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.array_types import FloatArray, FloatPlane, UInt8Image
from fastnst.runtime.imaging.filters import box_mean, enlarge

_TABLE_STEPS = 65535  # steps of linear light in the table back to sRGB; the darkest sRGB steps are 20 of them apart
_OPAQUE_MARGIN = 1 / 255  # nearer to 0 or 1, an alpha is that
WORK_SIZE = 256  # long side at which the neighbourhood's colours are averaged; they are smooth
_WIDE_RADIUS, _NARROW_RADIUS = 1 / 12, 1 / 85  # of the two averages, of the work size
_PURITY_POWER = 12  # of a pixel's share with which it speaks for its side: mixed pixels hardly do
_MIN_WEIGHT = 1e-3  # below it a neighbourhood knows nothing; the sums below are exact to a hundredth of it
_MIN_NARROW_WEIGHT = 0.05  # the same for the narrow neighbourhood: below it the wide one knows better
_BLUR_RADIUS = 1 / 18  # of a blurred background, of the long side
_BLUR_PASSES = 3  # of a box: nearly a Gaussian


class Layers(NamedTuple):
    """A picture's people and what lies behind them, both uint8 sRGB `[H, W, 3]`, with clean colours.

    They differ from the picture only near outlines.
    """

    foreground: UInt8Image
    background: UInt8Image


def _linear_table() -> FloatPlane:
    """sRGB levels to linear light in [0, 1] (IEC 61966-2-1)."""
    values = np.arange(256) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _srgb_table() -> UInt8Image:
    """Linear light in `_TABLE_STEPS` steps to sRGB levels."""
    values = np.arange(_TABLE_STEPS + 1) / _TABLE_STEPS
    curve = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    table: UInt8Image = np.rint(curve * 255).astype(np.uint8)
    return table


_TO_LINEAR, _TO_SRGB = _linear_table(), _srgb_table()


def to_linear(pixels: UInt8Image) -> FloatPlane:
    """uint8 sRGB to linear light, float32 in [0, 1]."""
    linear: FloatPlane = _TO_LINEAR[pixels]
    return linear


def to_srgb(linear: FloatArray) -> UInt8Image:
    """Linear light to uint8 sRGB; clipped and rounded."""
    srgb: UInt8Image = _TO_SRGB[(np.clip(linear, 0, 1) * _TABLE_STEPS + 0.5).astype(np.uint16)]
    return srgb


def composite(foreground: UInt8Image, background: UInt8Image, alpha: FloatArray) -> UInt8Image:
    """`foreground` over `background`, uint8 sRGB `[H, W, 3]` each, blended in linear light by alpha `[H, W]`."""
    result: UInt8Image = np.where((alpha > 0.5)[..., None], foreground, background)
    edge = _outline(alpha)
    share = alpha[edge][:, None]
    result[edge] = to_srgb(share * to_linear(foreground[edge]) + (1 - share) * to_linear(background[edge]))
    return result


def estimate_foreground(picture: UInt8Image, alpha: FloatArray, work_size: int = WORK_SIZE) -> Layers:
    """The clean foreground and background of a picture with this matte.

    Args:
        picture: uint8 sRGB `[H, W, 3]`.
        alpha: float `[H, W]` in [0, 1].
        work_size: long side at which colours are averaged; less is faster, and coarser in hair.
    """
    edge = _outline(alpha)
    foreground, background = picture.copy(), picture.copy()
    if not edge.any():
        return Layers(foreground, background)
    around_f, around_b = (_at(colours, edge) for colours in _surroundings(picture, alpha, work_size))
    share = alpha[edge][:, None]
    left_over = to_linear(picture[edge]) - share * around_f - (1 - share) * around_b
    foreground[edge] = to_srgb(around_f + share * left_over)
    background[edge] = to_srgb(around_b + (1 - share) * left_over)
    return Layers(foreground, background)


def _surroundings(picture: UInt8Image, alpha: FloatArray, work_size: int) -> tuple[FloatPlane, FloatPlane]:
    """The colours of people and of the background near each pixel, linear `[3, h, w]`, at the work size."""
    pixels, share = shrink(picture, alpha, work_size)
    wide, narrow = (max(1, round(max(share.shape) * radius)) for radius in (_WIDE_RADIUS, _NARROW_RADIUS))
    shares = (share, 1 - share)
    weights = [one**_PURITY_POWER for one in shares]
    far = [weighted_mean(pixels, weight, wide, _overall(pixels, weight)) for weight in weights]
    left_over = pixels - share * far[0] - (1 - share) * far[1]
    clean = [np.clip(colours + one * left_over, 0, 1) for colours, one in zip(far, shares, strict=True)]
    foreground, background = (
        weighted_mean(own, weight, narrow, colours, min_weight=_MIN_NARROW_WEIGHT)
        for own, weight, colours in zip(clean, weights, far, strict=True)
    )
    return foreground, background


def blurred_background(picture: UInt8Image, alpha: FloatArray) -> UInt8Image:
    """The background, out of focus; people do not bleed into it. uint8 `[H, W, 3]`."""
    pixels, share = shrink(picture, alpha, WORK_SIZE)
    behind = (share < _OPAQUE_MARGIN).astype(np.float32)
    radius = max(1, round(max(share.shape) * _BLUR_RADIUS / 2))
    overall = _overall(pixels, behind)
    for _ in range(_BLUR_PASSES):
        pixels, behind = weighted_mean(pixels, behind, radius, overall), box_mean(behind[None], radius)[0]
    size = (picture.shape[1], picture.shape[0])
    return to_srgb(np.stack([enlarge(plane, size) for plane in pixels], axis=-1))


def shrink(picture: UInt8Image, alpha: FloatArray, long_side: int) -> tuple[FloatPlane, FloatPlane]:
    """Linear light `[3, h, w]` and alpha `[h, w]` at this long side at most."""
    factor = min(1.0, long_side / max(alpha.shape))
    size = (max(1, round(alpha.shape[1] * factor)), max(1, round(alpha.shape[0] * factor)))
    small = Image.fromarray(picture).resize(size, Image.Resampling.BOX) if factor < 1 else picture
    return np.ascontiguousarray(np.moveaxis(to_linear(np.asarray(small)), -1, 0)), enlarge(alpha, size)


def weighted_mean(
    planes: FloatArray, weight: FloatArray, radius: int, otherwise: FloatArray, *, min_weight: float = _MIN_WEIGHT
) -> FloatPlane:
    """The mean of planes `[C, h, w]` over the neighbourhood, each pixel counting by `weight` `[h, w]`.

    Where hardly anything counts (a mean weight around `min_weight`) it is `otherwise`, of the planes' shape or
    `[C, 1, 1]`.
    """
    means = box_mean(np.concatenate((planes * weight, weight[None])), radius)
    mean: FloatPlane = (means[:-1] + min_weight * otherwise) / (np.maximum(means[-1], 0) + min_weight)
    return mean


def _overall(planes: FloatArray, weight: FloatArray) -> FloatPlane:
    total = max(float(weight.sum()), 1e-6)
    overall: FloatPlane = (planes * weight).sum(axis=(1, 2), keepdims=True) / total
    return overall


def _outline(alpha: FloatArray) -> NDArray[np.bool_]:
    outline: NDArray[np.bool_] = (alpha > _OPAQUE_MARGIN) & (alpha < 1 - _OPAQUE_MARGIN)
    return outline


def _at(planes: FloatPlane, chosen: NDArray[np.bool_]) -> FloatPlane:
    """Small planes `[3, h, w]` at the chosen pixels of the full size, `[count, 3]`."""
    size = (chosen.shape[1], chosen.shape[0])
    return np.stack([enlarge(plane, size)[chosen] for plane in planes], axis=-1)
