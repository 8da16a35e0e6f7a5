"""Numbers of an animation's frames and of a document's pages."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from PIL import Image

from fastnst.images._pillow import opened

ANIMATED_SUFFIXES = (".gif", ".webp", ".png", ".apng", ".avif", ".avifs")
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
_PNG, _WEBP_MOVES = b"\x89PNG\r\n\x1a\n", 0x02  # how a PNG begins; a flag in a WebP's header
_MAX_CHUNKS = 1000  # of a PNG before its pixels; then Pillow has to tell
MAX_PAGES = 1000
_SUBFILE_TYPE = 254  # bit 0: a reduced copy of another page; bit 2: a mask for one
SUBORDINATE_PAGE = 1 | 4
UNKNOWN_PIXEL_MODE = "unknown pixel mode"  # as Pillow calls what it has no mode for


def is_animation(path: str | Path) -> bool:
    """True if a file is an animated GIF, WebP, PNG or AVIF, by its content.

    False for still pictures, for folders, and for what is not a picture or cannot be opened: this is a question, and
    whoever opens the file reports what is wrong with it.
    """
    path = Path(path)
    if path.suffix.lower() not in ANIMATED_SUFFIXES or not os.path.isfile(path):
        return False
    try:
        if not _may_move(path):
            return False
        with opened(path) as image:
            return frame_count(image) > 1
    except Exception:  # Pillow's readers raise whatever a damaged file makes them stumble over
        return False


def _may_move(path: Path) -> bool:
    """False for a PNG or WebP whose header says that it is still; quick, for folders of many thousands."""
    with path.open("rb") as file:
        start = file.read(21)
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return start[12:16] == b"VP8X" and bool(start[20] & _WEBP_MOVES)
        if not start.startswith(_PNG):
            return True
        file.seek(len(_PNG))
        for _ in range(_MAX_CHUNKS):
            length, kind = struct.unpack(">I4s", file.read(8))
            if kind in (b"acTL", b"IDAT"):  # of an animation the first comes before the second
                return bool(kind == b"acTL")
            file.seek(length + 4, os.SEEK_CUR)
    return True


def frame_count(image: Image.Image) -> int:
    """Frames of an open picture: 1 unless it is an animation. Exact but for GIF, where more than one count as 2."""
    if image.format not in _ANIMATED:
        return 1
    if image.format == "GIF":
        return 2 if getattr(image, "is_animated", False) else 1
    return len(frame_numbers(image))


def frame_numbers(image: Image.Image) -> range:
    """The numbers by which Pillow seeks an open picture's frames.

    An APNG may begin with a picture for programs that know no APNG, which is not one of its frames.
    """
    return range(int(getattr(image, "default_image", False)), int(getattr(image, "n_frames", 1))) or range(1)


def page_numbers(image: Any) -> list[int]:
    """The pages of an open TIFF, without reduced copies and masks of others; `[0]` for every other format."""
    if image.format != "TIFF":
        return [0]
    numbers: list[int] = []
    for number in range(MAX_PAGES):
        try:
            image.seek(number)
        except SyntaxError:  # a page of a kind that Pillow does not open; there may be others behind it
            pass
        except Exception:  # the last page, or a damaged one: those before it are good
            break
        kind = image.tag_v2.get(_SUBFILE_TYPE, 0)
        if not (isinstance(kind, int) and kind & SUBORDINATE_PAGE):
            numbers.append(number)
    image.seek(0)
    return numbers or [0]
