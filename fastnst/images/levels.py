"""More than 8 bits a channel, integers and floats, to 8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_BANDS = ("R", "G", "B", "A", "X")
_WITH_SIGN = re.compile(r";(16|32|64)B?([SF])$")  # raw modes of Pillow: signed integers and floats, B for big-endian
_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "I;12", "F")


def is_deep(image: Image.Image) -> bool:
    """True if a grey picture holds values that Pillow would clip on the way to RGB, or take for others.

    These are values of more than 8 bits, and signed ones of 8, which Pillow opens as if they had no sign.
    """
    return image.mode in _DEEP_MODES or (image.mode == "L" and _is_signed(image))


def deep_channels(image: Image.Image) -> str | None:
    """In words, how many bits a channel of colour has where that is more than the 8 that Pillow reads; else None."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        widest = max(bits) if isinstance(bits, tuple) and bits else 8
        return f"{widest} bits a channel" if widest > 8 else None
    return "16 bits a channel" if any("16" in str(tile[3]) for tile in getattr(image, "tile", ())) else None


def mend_reading(image: Image.Image) -> None:
    """Correct how Pillow is about to read an open TIFF.

    It takes planes of 16 bits for planes of 8, and what libtiff unpacked, in the machine's byte order, for values in
    the file's.
    """
    if image.format != "TIFF":
        return
    order = "L" if image.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]
    sixteen = deep_channels(image) == "16 bits a channel"
    tiles = image.tile  # type: ignore[attr-defined]
    for number, tile in enumerate(tiles):
        if not (isinstance(tile.args, tuple) and tile.args):
            continue
        mode, *others = tile.args
        if tile.codec_name == "raw" and sixteen and mode in _BANDS:
            mode = f"{mode};16{order}"
        elif tile.codec_name == "libtiff":
            mode = _WITH_SIGN.sub(r";\1N\2", mode)
        tiles[number] = tile._replace(args=(mode, *others))


def to_eight_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """A deep grey picture in mode L, and in words how its values were scaled.

    The range comes from the type, so that dark pictures stay dark: 0 … 65,535 for 16 bits. Signed values are mostly
    pictures that a program stored so by accident, or measurements (heights, radiographs). Of signed integers and of
    floats, whose range no type defines, the least of the ranges that such pictures have is taken: 0 … 1 (floats),
    0 … 255, and the greatest value of the type. Anything else is stretched from its darkest to its brightest value.
    """
    values = np.asarray(image)
    tags = _tags(image)
    white_is_zero = tags.get(_PHOTOMETRIC) == 0
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        top = 4095 if image.mode == "I;12" else 65535
        levels = _scaled(values, 0, top)
        return Image.fromarray(255 - levels if white_is_zero else levels), f"{12 if top == 4095 else 16} bits a channel"
    bits = _bits(image)
    if image.mode == "L":
        values = values.view(np.int8)
    elif bits == 32 and values.dtype.kind == "i" and not _is_signed(image):
        values = values.view(np.uint32)  # Pillow has no other mode for them than signed ones
    kind = "float" if values.dtype.kind == "f" else "integer"
    usable = values[np.isfinite(values)] if kind == "float" else values
    low, high = (float(usable.min()), float(usable.max())) if usable.size else (0.0, 0.0)
    for top in _tops(kind, bits):
        if low >= 0 and high <= top:
            return Image.fromarray(_scaled(values, 0, top)), f"{kind} values of 0 to {top:,}"
    if bits == 8:  # a picture of which 128 was subtracted
        low, high = -128, 127
    return Image.fromarray(_scaled(values, low, high)), f"{kind} values from {low:g} to {high:g}"


def _tops(kind: str, bits: int) -> tuple[int, ...]:
    """The greatest values of pictures of this type, in the order in which they are tried; `bits` is 0 for no TIFF."""
    if kind == "float":
        return 1, 255, 65535
    return {8: (127,), 16: (255, 32767), 32: (255, 65535)}.get(bits, (65535,))


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]


def _bits(image: Image.Image) -> int:
    """Bits of a grey TIFF's values; 0 for other pictures."""
    bits = _tags(image).get(_BITS_PER_SAMPLE, (0,))
    return int(bits[0]) if isinstance(bits, tuple) and len(bits) == 1 else 0


def _is_signed(image: Image.Image) -> bool:
    """True if the values of a TIFF are integers with a sign."""
    return _tags(image).get(_SAMPLE_FORMAT) in (2, (2,))


def _scaled(values: np.ndarray, low: float, high: float) -> UInt8Image:
    if values.dtype.kind == "u" and low == 0 and high == 65535:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.rint(np.clip((wide - low) / max(high - low, 1e-300), 0, 1) * 255).astype(np.uint8)
