"""The paintings that a style is learned from."""

from __future__ import annotations

import numpy as np

from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side, trimmed
from fastnst.input_files import expanded, sha256_of


def open_painting(path: str, size: int, trim: float = 0.0) -> np.ndarray:
    """A painting as a training sees it: float32 `[3, H, W]` in [0, 1].

    Args:
        path: of the picture file.
        size: long side in pixels.
        trim: share of its sides that is left off at each border first.

    Raises `ConfigError` for a trim that leaves nothing, `ImageError` for a file that is not a picture.
    """
    return to_unit_floats(resize_long_side(trimmed(open_image(expanded(path)), trim), size))


def painting_sha256(path: str) -> str:
    """Of the painting's file."""
    return sha256_of(expanded(path))
