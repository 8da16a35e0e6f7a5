"""One worker: opens its style once, then decodes, restyles and writes picture after picture."""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastnst.errors import FastNSTError, OutputError
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_picture
from fastnst.images.formats import SUFFIXES
from fastnst.images.picture import Picture
from fastnst.output_files import FullDiskError
from fastnst.runtime.models.style_spec import choose
from fastnst.runtime.portrait.matte_files import with_layers
from fastnst.runtime.stylizer import Stylizer
from fastnst.scale import files
from fastnst.scale.options import BatchOptions
from fastnst.scale.rows import Row

_MAX_NAME_BYTES = 200  # bytes of one part of a path


@dataclass(frozen=True)
class Result:
    """The outcome of one picture.

    Attributes:
        path: of the input.
        output: where the result is; empty after a failure.
        sha256: of the result's file.
        size: its bytes.
        seconds: for all of it.
        error: one sentence; empty if it was made.
    """

    path: str
    output: str = ""
    sha256: str = ""
    size: int = 0
    seconds: float = 0.0
    error: str = ""


class Worker:
    """Restyles rows; made inside the process or actor that uses it.

    Args:
        options: of the batch; the style is opened here.
        output: folder or address that results go below.
        threads: CPU threads for the engine.
    """

    def __init__(self, options: BatchOptions, output: str, threads: int | None) -> None:
        self._options, self._output = options, output
        self._stylizer = Stylizer(choose(options.style), options.provider, threads)

    def __call__(self, row: Row) -> Result:
        """The result of one row; whatever is wrong with its picture becomes the result's error.

        Raises `FullDiskError`.
        """
        started = time.perf_counter()
        try:
            output, content = self._made(row)
        except FullDiskError:  # the next picture would not fare better
            raise
        except FastNSTError as error:
            return Result(row.path, seconds=time.perf_counter() - started, error=str(error))
        except MemoryError:
            return Result(
                row.path, seconds=time.perf_counter() - started, error="it does not fit into the memory: --max-size."
            )
        except Exception as error:  # a fault of ours: the other pictures should not pay for it
            reason = f"unexpected {type(error).__name__} ({files.reason(error)})."
            return Result(row.path, seconds=time.perf_counter() - started, error=reason)
        sha256 = hashlib.sha256(content).hexdigest()
        return Result(row.path, output, sha256, len(content), time.perf_counter() - started)

    def _made(self, row: Row) -> tuple[str, bytes]:
        options = self._options
        output = files.join(self._output, output_name(row.name, options.format))
        if row.content is None and files.is_same(row.path, output):
            raise OutputError(f"{output} is this picture itself: name another output.")
        content = files.read(row.path) if row.content is None else row.content
        picture = open_picture(io.BytesIO(content), max_size=options.max_size, allow_huge=options.allow_huge)
        pixels = self._stylizer.apply(np.asarray(picture.rgb), options.restyling)
        encoded = _encoded(with_layers(picture, pixels), posixpath.splitext(output)[1], options.quality)
        files.write(output, encoded)
        return output, encoded


def _encoded(picture: Picture, suffix: str, quality: int) -> bytes:
    """The bytes of a picture's file."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / f"picture{suffix}"
            save_picture(picture, made, quality=quality)
            return made.read_bytes()
    except OSError as error:
        raise FullDiskError(f"nothing can be written to the temporary folder ({error.strerror}).") from error


def output_name(name: str, suffix: str | None) -> str:
    """The name of a result below the output: the picture's own, with its new suffix after the old one.

    So `a.png` becomes `a.png.jpg` as JPEG, and never takes the place of what `a.jpg` becomes. Parts of a path that lead
    out of the folder, or that no filesystem takes, are made harmless.
    """
    parts = [_harmless(part) for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    name = "/".join(parts) or "picture"
    own = posixpath.splitext(name)[1].lower()
    wanted = f".{suffix}" if suffix else own if own in SUFFIXES else ".png"
    return name if own == wanted else name + wanted


def _harmless(part: str) -> str:
    part = re.sub(r"[\x00-\x1f\x7f-\x9f:*?\"<>|]", "_", part)
    part = re.sub(r"[\ud800-\udfff]", lambda found: f"_{ord(found[0]) & 0xFF:02x}", part)  # bytes that are no text
    encoded = part.encode("utf-8", "replace")
    if len(encoded) <= _MAX_NAME_BYTES:
        return part
    stem, dot, suffix = part.rpartition(".")
    mark = hashlib.sha256(encoded).hexdigest()[:12]
    short = (stem or part).encode("utf-8", "replace")[: _MAX_NAME_BYTES - 40].decode("utf-8", "ignore")
    return f"{short}-{mark}{dot}{suffix[:16]}" if dot else f"{short}-{mark}"
