"""Files are written beside their place and renamed; nothing is overwritten unasked."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastnst.errors import OutputError


@contextlib.contextmanager
def write_atomically(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed on success, removed on failure.

    Raises `OutputError` if `path` exists (without `overwrite`) or cannot be written, a full disk included.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        partial = Path(name)
        yield partial
        os.chmod(partial, 0o666 & ~_umask())
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def check_output(path: str | Path, *, overwrite: bool = False) -> None:
    """Raise `OutputError` if `path` is a folder, or exists and may not be overwritten."""
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already: pass --overwrite to replace it.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
