"""More than 8 bits a channel, integers and floats, to 8."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_BANDS = ("R", "G", "B", "A", "X")
_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "I;12", "F")


def is_deep(image: Image.Image) -> bool:
    """True if a grey picture holds more than 8 bits, in a mode that Pillow would clip on the way to RGB."""
    return image.mode in _DEEP_MODES


def deep_channels(image: Image.Image) -> str | None:
    """In words, how many bits a channel of colour has where that is more than the 8 that Pillow reads; else None."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        widest = max(bits) if isinstance(bits, tuple) and bits else 8
        return f"{widest} bits a channel" if widest > 8 else None
    return "16 bits a channel" if any("16" in str(tile[3]) for tile in getattr(image, "tile", ())) else None


def mend_planes(image: Image.Image) -> None:
    """Correct how Pillow is about to read an open TIFF: it takes planes of 16 bits for planes of 8."""
    if image.format != "TIFF" or deep_channels(image) != "16 bits a channel":
        return
    order = "L" if image.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]
    tiles = image.tile  # type: ignore[attr-defined]
    for number, tile in enumerate(tiles):
        if tile.codec_name == "raw" and isinstance(tile.args, tuple) and tile.args[0] in _BANDS:
            tiles[number] = tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:]))


def to_eight_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """A deep grey picture in mode L, and in words how its values were scaled.

    The range comes from the type, so that dark pictures stay dark: 0 … 65,535 for 16 bits. For 32-bit integers and
    floats, whose range no type defines: 0 … 1, 0 … 255 or 0 … 65,535, the least that holds them; anything else is
    stretched from its darkest to its brightest value.
    """
    values = np.asarray(image)
    tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    white_is_zero = tags.get(_PHOTOMETRIC) == 0
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        top = 4095 if image.mode == "I;12" else 65535
        levels = _scaled(values, 0, top)
        return Image.fromarray(255 - levels if white_is_zero else levels), f"{12 if top == 4095 else 16} bits a channel"
    if tags.get(_BITS_PER_SAMPLE) == (32,) and tags.get(_SAMPLE_FORMAT, 1) in (1, (1,)):
        values = values.view(np.uint32)  # Pillow has no other mode for them than signed ones
    kind = "float" if values.dtype.kind == "f" else "integer"
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
