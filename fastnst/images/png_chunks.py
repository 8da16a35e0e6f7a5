"""PNG files whose descriptions are damaged or too long: the picture is worth more than they are."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_BYTES = 1 << 30


def without_ancillary_chunks(source: Path | BinaryIO | bytes) -> bytes | None:
    """A PNG file reduced to what its pixels need, or None if it is not a PNG file.

    Pillow refuses a picture whose profile or text is longer than a megabyte, or has a wrong checksum.
    """
    content = _content(source)
    if content is None or not content.startswith(_SIGNATURE):
        return None
    kept = [_SIGNATURE]
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind in _NEEDED:
            kept.append(content[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def _content(source: Path | BinaryIO | bytes) -> bytes | None:
    if isinstance(source, bytes):
        return source
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(len(_SIGNATURE))
            return head + file.read(_MOST_BYTES) if head == _SIGNATURE else None
    source.seek(0)
    head = source.read(len(_SIGNATURE))
    return head + source.read(_MOST_BYTES) if head == _SIGNATURE else None
