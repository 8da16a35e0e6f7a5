"""Put restyled pictures of several styles together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.runtime.imaging.filters import box_mean

_RADIUS = 8  # pixels: about one stroke of the networks, whatever the picture's size
_NOISE_CONTRAST = 1.0  # levels of 255; contrasts below it are not amplified
_MAX_GAIN = 2.0  # four unrelated styles in equal parts need it


def mixed(pictures: Sequence[UInt8Image], weights: Sequence[float]) -> UInt8Image:
    """Restyled pictures of one photo, uint8 `[H, W, 3]`, put together by their weights, which sum to 1.

    A pixel depends on those within `3 · _RADIUS` only, so that tiles of a picture fit together.
    """
    average = np.zeros(pictures[0].shape, np.float32)
    wanted = np.zeros(average.shape[:2], np.float32)
    for picture, weight in zip(pictures, weights, strict=True):
        average += np.float32(weight) * picture
        wanted += np.float32(weight) * _contrast(picture)
    flat = _to_levels(average)
    gain = np.clip((wanted + _NOISE_CONTRAST) / (_contrast(flat) + _NOISE_CONTRAST), 1, _MAX_GAIN)
    gain = box_mean(gain[None], _RADIUS)[0]  # a gain that jumps would draw lines of its own
    average += (gain - 1)[..., None] * (average - _surroundings(Image.fromarray(flat)))
    return _to_levels(average)


def _contrast(picture: UInt8Image) -> FloatPlane:
    """Local contrast: luma's root mean square deviation around each pixel, float32 `[H, W]` in levels of 255."""
    luma = Image.fromarray(picture).convert("L")
    detail = np.asarray(luma, np.float32) - _surroundings(luma)
    contrast: FloatPlane = np.sqrt(np.maximum(box_mean(np.square(detail)[None], _RADIUS)[0], 0))
    return contrast


def _surroundings(picture: Image.Image) -> FloatPlane:
    return np.asarray(picture.filter(ImageFilter.BoxBlur(_RADIUS)), np.float32)


def _to_levels(values: FloatPlane) -> UInt8Image:
    levels: UInt8Image = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return levels
