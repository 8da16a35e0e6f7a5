"""Folders of frames, in and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.errors import ClipError, ImageError, OutputError
from fastnst.images.decode import open_image, picture_size
from fastnst.images.encode import save_image
from fastnst.images.folders import find_images
from fastnst.images.formats import SUFFIXES
from fastnst.runtime.models.style_model import SMALLEST_SIDE
from fastnst.runtime.video.types import ClipInfo, Frame


class FolderSource:
    """The pictures of a folder in the order of their names, as a clip.

    Args:
        folder: pictures directly in it, all of one size; numbers in names count as numbers, so 10 comes after 9.
        rate: frames a second.
        max_size: reduce to this long side in pixels.

    Raises `ClipError` if there is no picture, or sizes differ or are too small.
    """

    def __init__(self, folder: Path, rate: Fraction, max_size: int | None = None) -> None:
        self.name = str(folder)
        self.warnings: list[str] = []
        self._files = sorted((path for path in find_images([folder]) if path.parent == folder), key=_in_order)
        if not self._files:
            raise ClipError(f"no pictures found in {folder}.")
        _check_sizes(self._files)
        self._size = open_image(self._files[0], max_size=max_size).size
        if min(self._size) < SMALLEST_SIDE:
            raise ClipError(f"{self._files[0]} is too small: {SMALLEST_SIDE}×{SMALLEST_SIDE} is the least.")
        duration = float(len(self._files) / rate)
        self.info = ClipInfo(*self._size, time_base=1 / rate, rate=rate, duration=duration)

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """The pictures; a tick is one frame."""
        for number, path in enumerate(self._files):
            if after is not None and number <= after:
                continue
            image = open_image(path, max_size=max(self._size))
            if image.size != self._size:  # turned by its EXIF block, unlike the first
                image = image.resize(self._size, Image.Resampling.LANCZOS)
            yield Frame(number, 1, np.asarray(image), path.stem)


def _in_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _check_sizes(files: list[Path]) -> None:
    """Look at all headers first: a picture of another size should not end the work of an hour."""
    first: tuple[int, int] | None = None
    for path in files:
        try:
            size = picture_size(path)
        except ImageError as error:
            raise ClipError(str(error)) from error
        first = first or size
        if size != first:
            raise ClipError(
                f"{path} has {size[0]}×{size[1]} pixels and {files[0].name} {first[0]}×{first[1]}:"
                " the frames of a clip must have one size."
            )


class FolderSink:
    """Writes numbered pictures, or pictures with their source's names; each is whole or not there.

    Args:
        folder: created if missing.
        suffix: `.png` or another that pictures can be saved in.
        overwrite: whether pictures in the way are replaced.
        first: the number of the first frame.
    """

    def __init__(self, folder: Path, suffix: str = ".png", *, overwrite: bool = False, first: int = 0) -> None:
        if suffix not in SUFFIXES:
            raise OutputError(f"frames cannot be written as {suffix}: use one of {', '.join(SUFFIXES)}.")
        self.folder = folder
        self._suffix, self._overwrite, self._number = suffix, overwrite, first
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made ({error.strerror}).") from error

    def add(self, frame: Frame) -> None:
        """Write the next picture."""
        name = frame.name or f"{self._number:06d}"
        save_image(Image.fromarray(frame.shown), self.folder / f"{name}{self._suffix}", overwrite=self._overwrite)
        self._number += 1

    def close(self) -> None:
        """Nothing is held back."""
