"""More than 8 bits a channel, integers and floats, to 8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.images.animation import UNKNOWN_PIXEL_MODE

_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR_CONFIGURATION, _SAMPLE_FORMAT = 258, 262, 284, 339  # tags of TIFF
_SEPARATE = 2  # planes, in place of pixels
_BANDS = ("R", "G", "B", "A", "X")
_WITH_SIGN = re.compile(r";(16|32|64)B?([SF])$")  # raw modes of Pillow: signed integers and floats, B for big-endian
_MAX_UNDERSHOOT = 0.1  # below 0, of floats of which 0 … 1 is meant
_DARKEST_WHITE, _MAX_EXPOSURE = 1 / 255, 16  # that nearly all of such floats keep to: 0 … 255 has none so dark
_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


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
    arguments = [tile[3] for tile in getattr(image, "tile", ())]
    mark = {"PNG": ";16", "PPM": "65535"}.get(image.format or "")
    sixteen = mark is not None and any(mark in str(one) for one in arguments)
    return "16 bits a channel" if sixteen else None


def mend_reading(image: Image.Image) -> None:
    """Correct how Pillow is about to read an open TIFF.

    It takes planes of 16 bits for planes of 8, and what libtiff unpacked, in the machine's byte order, for values in
    the file's. Raises `SyntaxError`, as Pillow does for what it has no mode for, for planes that it mixes up.
    """
    if image.format != "TIFF":
        return
    order = "L" if image.tag_v2.prefix == b"II" else "B"  # type: ignore[attr-defined]
    sixteen = deep_channels(image) == "16 bits a channel"
    planar = image.tag_v2.get(_PLANAR_CONFIGURATION) == _SEPARATE  # type: ignore[attr-defined]
    if planar and (image.mode == "LAB" or (image.mode == "CMYK" and sixteen)):
        raise SyntaxError(UNKNOWN_PIXEL_MODE)
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
    """A deep grey picture in mode L, and in words how its values were scaled; see `scaled`."""
    values = np.asarray(image)
    if _bits(image) == 12:
        return Image.fromarray(_levels(values, 0, 4095)), "12 bits a channel"
    if image.mode == "L":
        values = values.view(np.int8)
    elif values.dtype.kind == "i" and image.format != "TIFF":  # 16 bits, as some versions of Pillow open them
        values = values.clip(0, 65535).astype(np.uint16)
    elif values.dtype.kind == "i" and values.dtype.itemsize == 4:  # Pillow has no other mode for them
        values = values.astype(np.int16) if _bits(image) == 16 else values
        values = values if _is_signed(image) else values.view(f"u{values.dtype.itemsize}")
    white_is_zero = values.dtype.kind == "u" and values.dtype.itemsize == 2 and _tags(image).get(_PHOTOMETRIC) == 0
    levels, note = scaled(values)
    return Image.fromarray(255 - levels if white_is_zero else levels), note


def scaled(values: NDArray[Any], stored_bits: int | None = None) -> tuple[UInt8Image, str]:
    """Values of any real type and shape as levels 0 … 255, and in words what they were scaled from (if they were).

    `stored_bits`: of unsigned integers, where these are fewer than the type's.

    The range comes from the type, so that dark pictures stay dark: 0 … 65,535 for 16 bits. Signed values are mostly
    pictures that a program stored so by accident, or measurements (heights, radiographs). Of signed integers and of
    floats, whose range no type defines, and of integers of 32 bits and more, the least of the ranges that such pictures
    have is taken: 0 … 1 (floats), 0 … 255, 0 … 65,535, and the type's, where its upper half is used. Floats that leave
    0 … 1 here and there (lights, what sharpening added) are cut off there; of those of a scene with bright lights the
    brightest hundredth is. Anything else is stretched: its darkest value becomes black, its brightest one white.
    """
    kind, bits = values.dtype.kind, 8 * values.dtype.itemsize
    if kind == "b":
        return values.astype(np.uint8) * 255, ""
    if kind == "u" and stored_bits is not None:
        bits = stored_bits
    if kind == "u" and bits < 32:
        return _levels(values, 0, 2**bits - 1), f"{bits} bits a channel" if bits > 8 else ""
    low, high, note = _float_range(values) if kind == "f" else _integer_range(values)
    return _levels(values, low, high), note


def _integer_range(values: NDArray[Any]) -> tuple[float, float, str]:
    bits = 8 * values.dtype.itemsize
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    greatest = int(np.iinfo(values.dtype).max)
    for top in {8: (127,), 16: (255, 32767)}.get(bits, (255, 65535, greatest)):
        if low >= 0 and high <= top and (top < 2**16 or high > top // 2):
            return 0, top, f"integer values of 0 to {top:,}"
    if bits == 8:  # a picture of which 128 was subtracted
        low, high = -128, 127
    return low, high, f"integer values from {low:,} to {high:,}"


def _float_range(values: NDArray[Any]) -> tuple[float, float, str]:
    usable = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(usable.min()), float(usable.max())) if usable.size else (0.0, 0.0)
    if low < 0 or high > 1:
        darkest, brightest = np.percentile(usable, (1, 99))
        if darkest >= -_MAX_UNDERSHOOT and _DARKEST_WHITE < brightest <= _MAX_EXPOSURE:
            white = max(1.0, float(brightest))
            return 0, white, f"float values of 0 to {white:.3g}, those beyond cut off"
    for top in (1, 255, 65535):
        if low >= 0 and high <= top:
            return 0, top, f"float values of 0 to {top:,}"
    return low, high, f"float values from {low:g} to {high:g}"


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]


def _bits(image: Image.Image) -> int:
    """Bits of a grey TIFF's values; 0 for other pictures."""
    bits = _tags(image).get(_BITS_PER_SAMPLE, (0,))
    return int(bits[0]) if isinstance(bits, tuple) and len(bits) == 1 else 0


def _is_signed(image: Image.Image) -> bool:
    """True if the values of a TIFF are integers with a sign."""
    return _tags(image).get(_SAMPLE_FORMAT) in (2, (2,))


def _levels(values: NDArray[Any], low: float, high: float) -> UInt8Image:
    if values.dtype.kind == "u" and low == 0 and high == 255:
        return values.astype(np.uint8)
    if values.dtype.kind == "u" and low == 0 and high == 65535:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.rint(np.clip((wide - low) / max(high - low, 1e-300), 0, 1) * 255).astype(np.uint8)
