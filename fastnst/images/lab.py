"""CIE L*a*b* as TIFFs hold it, in sRGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.images.color import to_srgb

CIELAB, ICCLAB = 8, 9  # photometric interpretations: a* and b* with a sign, or from 128 on


def lab_levels(values: NDArray[Any], photometric: int) -> UInt8Image:
    """L*a*b* `[H, W, 3]` of 8 or 16 bits, or of floats, in sRGB: uint8 `[H, W, 3]`.

    TIFF 6.0, section 23: L* has no sign, whatever the file's sample format says, and 100 is the greatest value; a* and
    b* have one, and are times 256 in 16 bits. ICC's encoding has them from 128 on, and in 16 bits L* of 100 as 65,280.
    Floats are as they are.
    """
    height, width = values.shape[:2]
    lightness, opponents = values[..., :1], values[..., 1:3]
    if values.dtype.kind != "f":
        size, words = values.dtype.itemsize, np.ascontiguousarray(values)
        unsigned, unit = words.view(f"u{size}"), 2.0 ** (8 * size - 8)
        is_icc = photometric == ICCLAB
        lightness = unsigned[..., :1] * (100 / (255 * unit if is_icc else np.iinfo(unsigned.dtype).max))
        opponents = unsigned[..., 1:3] / unit - 128 if is_icc else words.view(f"i{size}")[..., 1:3] / unit
    light = np.rint(np.nan_to_num(lightness * 2.55).clip(0, 255)).astype(np.uint8)
    colours = np.rint(np.nan_to_num(opponents).clip(-128, 127)).astype(np.int8).view(np.uint8)
    image = Image.frombytes("LAB", (width, height), np.dstack((light, colours)).tobytes())
    return np.asarray(to_srgb(image, None))
