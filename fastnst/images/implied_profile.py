"""Colour spaces that Pillow does not tell of: cameras' Adobe RGB, code points, PNG's gamma, profiles of JPEG 2000.

DCF (JEITA CP-3461): a camera's photo whose interoperability index is R03 is in Adobe RGB. H.273: code points of
primaries and transfer, in the `nclx` box of AVIF and HEIF and PNG's `cICP`. PNG: `gAMA` and `cHRM`. JPEG 2000 (ISO
15444-1, I.5.3.3): an ICC profile in the `colr` box.
"""

from __future__ import annotations

import contextlib
import functools
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import IFD, Base

Chromaticity = tuple[float, float]


class ColourSpace(NamedTuple):
    """White, red, green and blue as chromaticities, and the exponent of the curve; None for sRGB's own curve."""

    points: tuple[Chromaticity, Chromaticity, Chromaticity, Chromaticity]
    exponent: float | None = None


_D65: Chromaticity = (0.3127, 0.329)
_SRGB = (_D65, (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_ADOBE_RGB = ColourSpace((_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
_PRIMARIES = {  # H.273, table 2
    1: _SRGB,
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_EXPONENTS = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}  # table 3; of video: as shown
_ICC_METHODS = (2, 3)  # of a `colr` box in JPEG 2000: a restricted profile, or any
_HEAD_BYTES, _PROFILE_BYTES = 1 << 16, 1 << 21  # of a file, where a short description or a profile lies
_PNG = b"\x89PNG\r\n\x1a\n"
_INTEROPERABILITY_INDEX, _ADOBE_RGB_INDEX = 1, "R03"
_ADOBE_RGB_COLOR_SPACE = 2  # outside the standard, but written
_USUAL_GAMMAS = (0.44, 0.47)  # of PNG: sRGB's, about
_D50 = np.array([0.9642, 1, 0.8249])  # of profiles' connection space
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def implied_profile(image: Image.Image, source: Path | BinaryIO | bytes) -> bytes | None:
    """A profile for the colour space that an open picture's file has by other means; None for sRGB and unknown ones.

    `source` is where the picture was opened from; streams stay where they are.
    """
    space: ColourSpace | None = None
    with contextlib.suppress(Exception):  # whatever damaged descriptions make of this: then sRGB is taken
        if image.format == "JPEG2000":
            return _jpeg_2000_profile(_head(source, _PROFILE_BYTES))
        head = _head(source)
        if image.format in ("AVIF", "HEIF"):
            space = _of_box(head)
        elif image.format == "PNG":
            space = _of_png(image, head)
        space = space or _of_camera(image)
        if space is not None and space != ColourSpace(_SRGB):
            return matrix_profile(space)
    return None


@functools.lru_cache(maxsize=16)
def matrix_profile(space: ColourSpace) -> bytes:
    """An ICC profile (version 4, three primaries and one curve) of a colour space.

    Raises `ValueError` for chromaticities that make no colour space.
    """
    xyz = np.array([(x / y, 1, (1 - x - y) / y) for x, y in space.points]).T
    white, primaries = xyz[:, 0], xyz[:, 1:]
    if not np.isfinite(xyz).all() or abs(np.linalg.det(primaries)) < 1e-3:
        raise ValueError(f"no colours lie between {space.points}")
    columns = _adaptation(white) @ (primaries * np.linalg.solve(primaries, white))
    texts = b"mluc" + struct.pack(">4xII2s2sII", 1, 12, b"en", b"US", 14, 28) + "fastnst".encode("utf-16be")
    tags = {
        b"desc": texts,
        b"cprt": texts,
        b"wtpt": _xyz(_D50),
        **{name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(space.exponent)),
    }
    return _icc(tags)


def _adaptation(white: NDArray[Any]) -> NDArray[Any]:
    """The Bradford matrix from colours under a white to colours under D50."""
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adaptation: NDArray[Any] = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    return adaptation


def _icc(tags: dict[bytes, bytes]) -> bytes:
    """A display profile of these tags (ICC.1:2010, 7.2)."""
    at = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, at + len(content), len(value))
        content += value + b"\0" * (-len(value) % 4)
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    header = struct.pack(">I4xI4s4s4s", at + len(content), 0x04200000, b"mntr", b"RGB ", b"XYZ ") + date + b"acsp"
    header += bytes(28) + struct.pack(">3i", *(round(value * 65536) for value in _D50))
    return header.ljust(128, b"\0") + table + content


def _xyz(values: NDArray[Any]) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *(round(float(value) * 65536) for value in values))


def _curve(exponent: float | None) -> bytes:
    parameters = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045) if exponent is None else (exponent,)
    kind = 0 if exponent is not None else 3
    return b"para" + struct.pack(f">4xH2x{len(parameters)}i", kind, *(round(value * 65536) for value in parameters))


def _of_code_points(primaries: int, transfer: int) -> ColourSpace | None:
    """None for code points that are unspecified, and for those of high dynamic range."""
    if primaries not in _PRIMARIES or transfer not in (*_EXPONENTS, 2):
        return None
    return ColourSpace(_PRIMARIES[primaries], _EXPONENTS.get(transfer))


def _of_box(head: bytes) -> ColourSpace | None:
    at = head.find(b"colrnclx")
    return None if at < 0 else _of_code_points(*struct.unpack_from(">HH", head, at + 8))


def _jpeg_2000_profile(head: bytes) -> bytes | None:
    for at in (match.start() for match in re.finditer(b"colr", head)):
        (length,) = struct.unpack_from(">I", head, at - 4)
        profile = head[at + 7 : at - 4 + length]
        if head[at + 4] in _ICC_METHODS and profile[36:40] == b"acsp" and len(profile) == length - 11:
            return profile
    return None


def _of_png(image: Image.Image, head: bytes) -> ColourSpace | None:
    code_points = _chunk(head, b"cICP")
    if code_points is not None:
        return _of_code_points(code_points[0], code_points[1])
    if "srgb" in image.info:
        return None
    gamma, points = image.info.get("gamma"), image.info.get("chromaticity")
    if gamma is None and points is None:
        return None
    exponent = None if gamma is None or _USUAL_GAMMAS[0] < gamma < _USUAL_GAMMAS[1] else 1 / gamma
    if exponent is not None and not 0.5 <= exponent <= 5:
        return None
    named = _SRGB
    if points is not None:
        pairs = [(round(float(x), 4), round(float(y), 4)) for x, y in zip(points[::2], points[1::2], strict=True)]
        named = (pairs[0], pairs[1], pairs[2], pairs[3])
    return ColourSpace(named, exponent)


def _of_camera(image: Image.Image) -> ColourSpace | None:
    exif = image.getexif()
    index = exif.get_ifd(IFD.Interop).get(_INTEROPERABILITY_INDEX)
    color_space = exif.get_ifd(IFD.Exif).get(Base.ColorSpace)
    is_adobe = str(index).strip("\0 ") == _ADOBE_RGB_INDEX or color_space == _ADOBE_RGB_COLOR_SPACE
    return _ADOBE_RGB if is_adobe else None


def _chunk(head: bytes, wanted: bytes) -> bytes | None:
    at = len(_PNG)
    while at + 12 <= len(head):
        length, kind = struct.unpack_from(">I4s", head, at)
        if kind == wanted:
            return head[at + 8 : at + 8 + length]
        if kind == b"IDAT":
            break
        at += 12 + length
    return None


def _head(source: Path | BinaryIO | bytes, size: int = _HEAD_BYTES) -> bytes:
    if isinstance(source, bytes):
        return source[:size]
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(size)
    place = source.tell()
    source.seek(0)
    head = source.read(size)
    source.seek(place)
    return head
