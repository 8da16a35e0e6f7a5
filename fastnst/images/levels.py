"""More than 8 bits a channel, integers and floats, to 8."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "I;12", "F")


def is_deep(image: Image.Image) -> bool:
    """Whether a grey picture holds more than 8 bits, in a mode that Pillow would clip on the way to RGB."""
    return image.mode in _DEEP_MODES


def to_eight_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """A deep grey picture in mode L, and in words how its values were scaled.

    The range comes from the type, so that dark pictures stay dark: 0 … 65,535 for 16 bits. For 32-bit integers and
    floats, whose range no type tells: 0 … 1, 0 … 255 or 0 … 65,535, the least that holds them; anything else is
    stretched from its darkest to its brightest value.
    """
    values = np.asarray(image)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        top = 4095 if image.mode == "I;12" else 65535
        return Image.fromarray(_scaled(values, 0, top)), f"{12 if top == 4095 else 16} bits a channel"
    kind = "float" if values.dtype.kind == "f" else "32-bit"
    usable = values[np.isfinite(values)] if kind == "float" else values
    low, high = (float(usable.min()), float(usable.max())) if usable.size else (0.0, 0.0)
    tops = (1, 255, 65535) if kind == "float" else (65535,)
    for top in tops:
        if low >= 0 and high <= top:
            return Image.fromarray(_scaled(values, 0, top)), f"{kind} values of 0 to {top:,}"
    return Image.fromarray(_scaled(values, low, high)), f"{kind} values from {low:g} to {high:g}"


def _scaled(values: np.ndarray, low: float, high: float) -> UInt8Image:
    if values.dtype.kind == "u" and low == 0 and high == 65535:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.rint(np.clip((wide - low) / max(high - low, 1e-300), 0, 1) * 255).astype(np.uint8)
