"""Names for the results of a batch: mirrored folders, no name twice, none too long, the same on every run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_MAX_NAME_BYTES = 255  # bytes of a name, on the file systems in use
_MAX_LABEL_BYTES = 100


class ResultNames:
    """Gives each result a file of its own: `<photo>_<label><suffix>`.

    Of two photos whose names differ in the suffix only, the second keeps its suffix in the name; further ones are
    numbered.
    """

    def __init__(self) -> None:
        self._used: set[Path] = set()
        self._numbers: dict[Path, int] = {}

    def name(self, folder: Path, photo: Path, label: str, suffix: str) -> Path:
        """The next free name for a result of `photo` in `folder`."""
        first = folder / fitted(photo.stem, label, suffix)
        for target in (first, folder / fitted(photo.name.replace(".", "_"), label, suffix)):
            if target not in self._used:
                self._used.add(target)
                return target
        number = self._numbers.get(first, 1)
        while True:
            number += 1
            target = folder / fitted(photo.stem, f"{label}_{number}", suffix)
            if target not in self._used:
                self._numbers[first] = number
                self._used.add(target)
                return target


def fitted(stem: str, label: str, suffix: str) -> str:
    """`<stem>_<label><suffix>` in at most 255 bytes; a stem that is cut ends in eight digits of its own.

    >>> fitted("beach", "starry_night", ".jpg")
    'beach_starry_night.jpg'
    """
    label = _cut(label, _MAX_LABEL_BYTES)
    return f"{_cut(stem, _MAX_NAME_BYTES - len(os.fsencode(f'_{label}{suffix}')))}_{label}{suffix}"


def _cut(text: str, max_bytes: int) -> str:
    encoded = os.fsencode(text)
    if len(encoded) <= max_bytes:
        return text
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: max_bytes - len(digest) - 1].decode(errors='ignore')}-{digest}"
