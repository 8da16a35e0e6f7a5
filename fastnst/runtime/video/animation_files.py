"""The bytes of finished animations: whether the end is there, and how long the last frame is shown."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_MAX_WEBP_DURATION = (1 << 24) - 1  # milliseconds of a frame
_WEBP_ALPHA = 0x10  # among the flags of the extended header
_MAX_PNG_DELAY_PART = 65_535  # numerator and denominator of a delay


def is_whole(path: Path) -> bool:
    """True if an animation has its end: what a full disk cut off has none."""
    with path.open("rb") as file:
        start = file.read(8)
        size = file.seek(0, 2)
        file.seek(max(0, size - 12))
        end = file.read()
    if path.suffix.lower() == ".gif":
        return end.endswith(b";")
    if path.suffix.lower() == ".webp":
        return int.from_bytes(start[4:8], "little") + 8 == size
    return end[4:8] == b"IEND"


def set_transparent(path: Path) -> None:
    """Say in a WebP's header that it is transparent; libwebp does not where each frame's own rectangle is opaque."""
    if path.suffix.lower() != ".webp":
        return
    with path.open("r+b") as file:
        start = bytearray(file.read(21))
        if start[12:16] == b"VP8X":
            file.seek(20)
            file.write(bytes([start[20] | _WEBP_ALPHA]))


def set_end(path: Path, end: Fraction) -> None:
    """Let the last frame of a WebP or PNG be shown until `end` seconds; FFmpeg gives it the time of the one before."""
    suffix = path.suffix.lower()
    if suffix == ".gif":
        return
    with path.open("r+b") as file:
        if suffix == ".webp":
            _set_webp_end(file, end)
        else:
            _set_png_end(file, end)


def _set_webp_end(file: BinaryIO, end: Fraction) -> None:
    place, shown = None, 0
    for kind, start, _ in _chunks(file, 12, "<4sI", padded=True):
        if kind != b"ANMF":
            continue
        if place is not None:
            file.seek(place)
            shown += int.from_bytes(file.read(3), "little")
        place = start + 12  # after position and size, 3 bytes each
    if place is not None:
        file.seek(place)
        file.write(min(_MAX_WEBP_DURATION, max(1, round(end * 1000) - shown)).to_bytes(3, "little"))


def _set_png_end(file: BinaryIO, end: Fraction) -> None:
    place, shown = None, Fraction(0)
    for kind, start, _ in _chunks(file, 8, ">I4s", padded=False):
        if kind != b"fcTL":
            continue
        if place is not None:
            file.seek(place + 20)
            shown += Fraction(*struct.unpack(">HH", file.read(4)))
        place = start
    if place is None:
        return
    delay = min(Fraction(_MAX_PNG_DELAY_PART), max(Fraction(1, 1000), end - shown)).limit_denominator(1000)
    file.seek(place)
    control = bytearray(file.read(26))
    control[20:24] = struct.pack(">HH", *_bounded(delay))
    file.seek(place)
    file.write(bytes(control) + struct.pack(">I", zlib.crc32(b"fcTL" + control)))


def _bounded(delay: Fraction) -> tuple[int, int]:
    """Numerator and denominator that fit into 16 bits each."""
    if delay.numerator <= _MAX_PNG_DELAY_PART:
        return delay.numerator, delay.denominator
    return min(_MAX_PNG_DELAY_PART, round(delay)), 1


def _chunks(file: BinaryIO, first: int, header: str, *, padded: bool) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of the data of each chunk; of RIFF (padded to even lengths) or PNG (with a checksum)."""
    position = first
    while True:
        file.seek(position)
        content = file.read(8)
        if len(content) < 8:
            return
        one, other = struct.unpack(header, content)
        kind, length = (one, other) if padded else (other, one)
        yield kind, position + 8, length
        position += 8 + length + (length % 2 if padded else 4)
