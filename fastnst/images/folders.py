"""Find the pictures in folders, and report what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastnst.images.formats import READABLE, missing_reader


@dataclass
class Found:
    """The pictures of a search.

    Attributes:
        pictures: files as given, and those of folders by suffix, sorted.
        left_out: what looked like pictures but cannot be read here: (kind, remedy), and how many.
    """

    pictures: list[Path] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)

    def sentences(self) -> list[str]:
        """One for each kind that was left out, such as `3 HEIC photos left out: pip install "fastnst[heic]".`"""
        return [
            f"{count} {kind}{'s' if count > 1 else ''} left out: {remedy}."
            for (kind, remedy), count in sorted(self.left_out.items())
        ]


def search(paths: Sequence[str | Path], *, without: Collection[Path] = ()) -> Found:
    """Files as given and, for folders, all pictures below them by suffix; hidden ones are left out.

    Linked folders are followed, each folder once. `without`: folders that are not looked into.
    """
    found = Found()
    excluded = {_identity(folder) for folder in without} - {None}
    for path in map(Path, paths):
        if not os.path.isdir(path):
            found.pictures.append(path)
            continue
        for file in files_below(path, excluded):
            suffix = file.suffix.lower()
            missing = missing_reader(suffix)
            if suffix in READABLE:
                found.pictures.append(file)
            elif missing is not None:
                found.left_out[missing] += 1
    return found


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """The pictures of `search`."""
    return search(paths).pictures


def files_below(folder: Path, excluded: Collection[tuple[int, int] | None] = ()) -> Iterator[Path]:
    """All files below a folder, not hidden, in the order of their names; linked folders are followed, each once.

    `excluded`: folders that are not looked into, as (device, inode).
    """
    seen = {_identity(folder)}
    for place, folders, files in os.walk(folder, followlinks=True):
        kept = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            identity = _identity(Path(place, name))
            if identity not in seen and identity not in excluded:  # a link may lead back to where we come from
                seen.add(identity)
                kept.append(name)
        folders[:] = kept
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
