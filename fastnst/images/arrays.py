"""Pictures to float arrays and back: the only home of 255."""

from __future__ import annotations

import numpy as np
from PIL import Image


def to_unit_floats(image: Image.Image) -> np.ndarray:
    """Mode RGB (or L) to float32 `[3, H, W]` (or `[1, H, W]`) in [0, 1]."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None])


def from_unit_floats(pixels: np.ndarray) -> Image.Image:
    """Float `[3, H, W]` to mode RGB: rounded, values outside [0, 1] clipped."""
    scaled = np.rint(np.clip(np.moveaxis(pixels, 0, -1), 0, 1) * 255)
    return Image.fromarray(scaled.astype(np.uint8))
