"""Camera raw files, developed with LibRaw (the optional package rawpy)."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from fastnst.errors import ImageError
from fastnst.images._pillow import opened
from fastnst.images.exif import read_exif, read_first_exif
from fastnst.images.formats import RAW_SUFFIXES
from fastnst.images.metadata import Metadata
from fastnst.images.picture import Picture

_HEAD_BYTES = 4096
_DNG_VERSION, _PHOTOMETRIC, _SUBFILE_TYPE, _SUB_IFDS = 50706, 262, 254, 330
_MOSAIC = (32803, 34892)  # photometric: colour filter array, linear raw
_MAGIC = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")  # ORF, RW2, RAF, X3F, MRW
_CANON = b"CR\x02"


def is_raw(source: Path | BinaryIO) -> bool:
    """True if a file is a camera raw, by its suffix or its head: such files hold small previews that others open."""
    head = _head(source)
    if _looks_raw(head):
        return True
    is_named_raw = isinstance(source, Path) and source.suffix.lower() in RAW_SUFFIXES
    return is_named_raw and not head.startswith((b"\xff\xd8", b"\x89PNG", b"RIFF"))


def develop(source: Path | BinaryIO, name: str, max_pixels: int | None = None) -> Picture:
    """A raw file in sRGB, upright, with the camera's white balance.

    Raises `ImageError` without rawpy, for what LibRaw cannot read, and for more pixels than `max_pixels`.
    """
    try:
        import rawpy
    except ImportError as error:
        raise ImageError(
            f'{name} is a camera raw: pip install "fastnst[raw]" develops it, or save it as JPEG or TIFF first.'
        ) from error
    file: str | BinaryIO = str(source) if isinstance(source, Path) else source
    if not isinstance(file, str):
        file.seek(0)
    try:
        with _without_stderr(), rawpy.imread(file) as negative:
            width, height = negative.sizes.raw_width, negative.sizes.raw_height
            if max_pixels is not None and width * height > max_pixels:
                raise ImageError(f"{name} has {width}×{height} pixels: pass --allow-huge if you trust it.")
            pixels = negative.postprocess(
                use_camera_wb=True, output_bps=8, output_color=rawpy.ColorSpace.sRGB, no_auto_bright=False
            )
    except ImageError:
        raise
    except Exception as error:  # LibRaw's errors, and what a damaged file makes of its wrapper
        reason = error.args[0] if error.args else type(error).__name__
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ImageError(f"{name} cannot be developed as a camera raw ({text[:200]}).") from error
    return Picture(Image.fromarray(pixels), None, Metadata(exif=_exif(source)))


def _exif(source: Path | BinaryIO) -> bytes | None:
    with contextlib.suppress(Exception), opened(source) as preview:
        return read_exif(preview)
    return read_first_exif(source)


def _head(source: Path | BinaryIO) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(_HEAD_BYTES)
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    source.seek(0)
    return head


def _looks_raw(head: bytes) -> bool:
    if head.startswith(_MAGIC) or head[8:11] == _CANON or head[4:12] == b"ftypcrx ":
        return True
    tags = _first_directory(head)
    if _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _MOSAIC:
        return True
    # NEF, ARW and others: the first directory is a preview, the photo lies in directories below it.
    return tags.get(_SUBFILE_TYPE, 0) & 1 == 1 and _SUB_IFDS in tags


def _first_directory(head: bytes) -> dict[int, int]:
    """Tags of a TIFF file's first directory, as far as the head reaches, with values that are single numbers."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    tags: dict[int, int] = {}
    if order is None:
        return tags
    with contextlib.suppress(struct.error):
        (at,) = struct.unpack_from(f"{order}I", head, 4)
        (count,) = struct.unpack_from(f"{order}H", head, at)
        for entry in range(count):
            tag, kind = struct.unpack_from(f"{order}HH", head, at + 2 + 12 * entry)
            (value,) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", head, at + 10 + 12 * entry)
            tags[tag] = value
    return tags


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """LibRaw writes about damaged files to the process's stderr; one thread at a time puts it aside."""
    with _lock:
        try:
            kept = os.dup(2)
        except OSError:  # stderr is closed
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


_lock = threading.Lock()
