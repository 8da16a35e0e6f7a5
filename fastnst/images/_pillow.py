"""Open files with Pillow: from a list of formats, without its global limit, without a word beside ours."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import PIL
from PIL import Image, ImageFile, UnidentifiedImageError

from fastnst.images.formats import OPENED

_IGNORED = {"action": "ignore", "module": r"PIL\."}


def identify(file: BinaryIO, name: str = "") -> ImageFile.ImageFile:
    """The picture in a file, its header read; one of `OPENED`, whatever the name says.

    `Image.open` checks sizes by a limit of the whole process, and may try formats that start another program. Raises
    `UnidentifiedImageError` if it is in none of the formats, and whatever Pillow raises for a damaged header.
    """
    Image.preinit()
    prefix = file.read(16)
    first: Exception | None = None
    for known in OPENED:
        if known not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN[known]
        accepted = accept is None or accept(prefix)
        if isinstance(accepted, str) or not accepted:
            continue
        file.seek(0)
        try:
            return factory(file, name)
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            first = first or error
    if first is not None:
        raise first
    raise UnidentifiedImageError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Pillow does not warn meanwhile, in any thread, and its libraries do not write to stderr.

    `warnings.catch_warnings` would bring back the filters of whichever thread came first.
    """
    _silence_libtiff()
    with _lock:
        _Depth.now += 1
        if _Depth.now == 1:
            logging.getLogger("PIL").setLevel(logging.CRITICAL)
        if not any(_is_ours(entry) for entry in warnings.filters):
            warnings.filterwarnings("ignore", module=_MODULES)
    try:
        yield
    finally:
        with _lock:
            _Depth.now -= 1
            if _Depth.now == 0:
                logging.getLogger("PIL").setLevel(logging.NOTSET)
                for entry in [entry for entry in warnings.filters if _is_ours(entry)]:
                    with contextlib.suppress(ValueError):
                        cast("list[object]", warnings.filters).remove(entry)


_MODULES = r"PIL\.|pillow_heif"
_lock = threading.RLock()


class _Depth:
    now = 0


def _is_ours(entry: object) -> bool:
    module = entry[3] if isinstance(entry, tuple) else None
    return getattr(module, "pattern", module) == _MODULES


@contextlib.contextmanager
def opened(source: Path | BinaryIO | bytes) -> Iterator[ImageFile.ImageFile]:
    """The picture of a file or stream, open as long as the context lasts; see `identify`."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet())
        if isinstance(source, Path):
            file: BinaryIO = stack.enter_context(source.open("rb"))
        elif isinstance(source, bytes):
            file = io.BytesIO(source)
        else:
            file = source
            file.seek(0)
        # Without a name: Pillow maps files with one into memory, and a file that shrinks meanwhile ends the process.
        yield identify(file)


def _silence_libtiff() -> None:
    """libtiff writes about damaged files to stderr, which says nothing to who reads our sentence."""
    if _Silenced.done:
        return
    _Silenced.done = True
    folders = [Path(PIL.__file__).parent / ".dylibs", Path(PIL.__file__).parent.parent / "pillow.libs"]
    places = [str(path) for folder in folders for path in sorted(folder.glob("libtiff*"))]
    if not places and not sys.platform.startswith("win"):
        places = ["libtiff.so.6", "libtiff.so.5", "libtiff.6.dylib"]
    for place in places:
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(place)
            for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                switch = getattr(library, name)
                switch.restype, switch.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
                switch(None)
            return


class _Silenced:
    done = False
