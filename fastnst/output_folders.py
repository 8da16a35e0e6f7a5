"""Several files that belong together appear together: none of them is left where one could not be written."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastnst.errors import OutputError
from fastnst.output_files import check_output, refusal


@contextlib.contextmanager
def write_folder(folder: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder; what was written to it is moved below `folder` on success, and removed on failure.

    `folder` is made if it is missing; what else lies there stays. Raises `OutputError` if it cannot be written, or
    holds one of the files already (without `overwrite`).
    """
    folder = Path(folder)
    place = _nearest(folder)
    try:
        staging = Path(tempfile.mkdtemp(prefix=".fastnst-", dir=place))
    except OSError as error:
        raise refusal(folder, error) from error
    try:
        yield staging
        _publish(staging, folder, overwrite=overwrite)
    except OutputError as error:
        raise type(error)(str(error).replace(str(staging), str(folder))) from error
    except OSError as error:
        if not _is_below(error, (staging, folder)):
            raise
        raise refusal(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _nearest(folder: Path) -> Path:
    """The folder itself or the nearest above it that is there: of one file system with what will be made."""
    if os.path.lexists(folder) and not os.path.exists(folder):
        raise OutputError(f"{folder} is a link that leads nowhere: remove it, or name another folder.")
    place = folder
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    if not os.path.isdir(place):
        what = "is a file" if place == folder else f"lies below {place}, which is a file"
        raise OutputError(f"{folder} {what}: name a folder.")
    return place


def _publish(staging: Path, folder: Path, *, overwrite: bool) -> None:
    files = [path.relative_to(staging) for path in sorted(staging.rglob("*")) if os.path.isfile(path)]
    for file in files:  # all or none
        check_output(folder / file, overwrite=overwrite)
    for file in files:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        (staging / file).replace(os.path.realpath(target))


def _is_below(error: OSError, places: tuple[Path, Path]) -> bool:
    """True unless an error names a file that lies elsewhere, which was only read."""
    named = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return not named or any(place in (path, *path.parents) for path in named for place in places)
