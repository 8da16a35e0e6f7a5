"""JPEG and PNG files whose descriptions are damaged or too long: the picture is worth more than they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_NEEDED_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_EXIF_OR_XMP, _PHOTOSHOP, _COMMENT, _SCAN = 0xE1, 0xED, 0xFE, 0xDA  # markers of a JPEG's segments
_MAX_BYTES = 1 << 30


def without_descriptions(source: Path | BinaryIO | bytes) -> bytes | None:
    """A PNG or JPEG file reduced to what its pixels need, or None if it is neither.

    Pillow refuses a PNG whose profile or text is longer than a megabyte, or has a wrong checksum, and a JPEG whose EXIF
    block holds a resolution of the wrong type.
    """
    content = _content(source)
    if content.startswith(_PNG):
        return _PNG + b"".join(_png_chunks(content))
    if content.startswith(_JPEG):
        return _JPEG + b"".join(_jpeg_segments(content))
    return None


def _png_chunks(content: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind in _NEEDED_CHUNKS:
            yield content[at : at + 12 + length]
        at += 12 + length


def _jpeg_segments(content: bytes) -> Iterator[bytes]:
    """Everything but EXIF, XMP, IPTC and comments; from the first scan on, all bytes."""
    at = len(_JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != _SCAN:
        (length,) = struct.unpack_from(">H", content, at + 2)
        if content[at + 1] not in (_EXIF_OR_XMP, _PHOTOSHOP, _COMMENT):
            yield content[at : at + 2 + length]
        at += 2 + length
    yield content[at:]


def _content(source: Path | BinaryIO | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _of_interest(file)
    source.seek(0)
    return _of_interest(source)


def _of_interest(file: BinaryIO) -> bytes:
    head = file.read(len(_PNG))
    return head + file.read(_MAX_BYTES) if head.startswith((_PNG, _JPEG)) else b""
