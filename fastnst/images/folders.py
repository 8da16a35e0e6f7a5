"""Find the pictures in folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fastnst.images.formats import READABLE


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """Files as given and, for folders, all pictures below them by suffix: sorted, hidden ones left out."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [
                Path(folder, file)
                for file in sorted(files)
                if not file.startswith(".") and Path(file).suffix.lower() in READABLE
            ]
    return found
