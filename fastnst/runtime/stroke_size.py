"""Broader or finer strokes than a style's own: the network sees the picture at another scale.

A network draws strokes of a certain number of pixels, so on a picture of half the size they are twice as broad. On an
enlarged picture they are finer; what comes back is averaged down, which loses nothing. What comes back too small is
enlarged by `upsampling.enlarged_sharply`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.errors import ConfigError, ImageError
from fastnst.runtime.imaging.upsampling import enlarged_sharply
from fastnst.runtime.models.style_model import MIN_SIDE

MIN_STROKE, MAX_STROKE = 0.5, 2.0  # beyond, networks see scales that no training showed them

Restyle = Callable[[UInt8Image], UInt8Image]  # uint8 [N, H, W, 3] to the same


def check_stroke(stroke: float) -> float:
    """`stroke` itself; raises `ConfigError` outside 0.5 … 2."""
    if not MIN_STROKE <= stroke <= MAX_STROKE:
        raise ConfigError(f"stroke must be between {MIN_STROKE:g} and {MAX_STROKE:g}, not {stroke:g}.")
    return stroke


def at_stroke(restyle: Restyle, photos: UInt8Image, stroke: float = 1.0) -> UInt8Image:
    """Restyle photos with strokes of `stroke` times the style's own size.

    Args:
        restyle: a style model or a mix.
        photos: uint8 `[N, H, W, 3]`.
        stroke: 0.5 … 2. The style works on `1 / stroke²` times the pixels, in as much more or less time and memory.

    Returns uint8 `[N, H, W, 3]`. Raises `ConfigError` for a stroke out of range, `ImageError` for pictures too small.
    """
    if check_stroke(stroke) == 1:
        return restyle(photos)
    height, width = photos.shape[1:3]
    size = (round(width / stroke), round(height / stroke))
    if min(size) < MIN_SIDE:
        raise ImageError(
            f"a picture of {width}×{height} pixels is too small for strokes {stroke:g} times as broad: its sides must"
            f" be at least {MIN_SIDE * stroke:.0f} pixels."
        )
    # Where the style works on fewer pixels, these are averages: a style does not paint what aliasing makes up.
    seen = np.stack([_resized(photo, size) for photo in photos])
    results = restyle(seen)
    if stroke < 1:
        return np.stack([_resized(result, (width, height)) for result in results])
    return np.stack([enlarged_sharply(*three) for three in zip(results, seen, photos, strict=True)])


def _resized(pixels: UInt8Image, size: tuple[int, int]) -> UInt8Image:
    larger = size[0] > pixels.shape[1]
    method = Image.Resampling.BICUBIC if larger else Image.Resampling.HAMMING
    return np.asarray(Image.fromarray(pixels).resize(size, method))
