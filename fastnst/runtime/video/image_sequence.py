"""Folders of frames, in and out. Each frame says what it was made with, so that `--resume` knows its own."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.errors import ClipError, ImageError, OutputError
from fastnst.images.decode import open_picture, picture_size
from fastnst.images.encode import save_picture
from fastnst.images.folders import find_images
from fastnst.images.formats import READABLE, SUFFIXES
from fastnst.images.metadata import Metadata
from fastnst.images.picture import Picture
from fastnst.runtime.models.style_model import MIN_SIDE
from fastnst.runtime.video.frame_marks import Settings, compare, mark, read_mark
from fastnst.runtime.video.pixel_formats import Reducer
from fastnst.runtime.video.types import ClipInfo, Frame


class FolderSource:
    """The pictures of a folder in the order of their names, as a clip.

    Args:
        folder: pictures directly in it, all of one size; numbers in names count as numbers, so 10 comes after 9.
        rate: frames a second.
        max_size: reduce to this long side in pixels.

    Attributes:
        names: of the frames, without a suffix; each once.

    Raises `ClipError` if there is no picture, or sizes differ or are too small.
    """

    def __init__(self, folder: Path, rate: Fraction, max_size: int | None = None) -> None:
        self.name = str(folder)
        self.warnings: list[str] = []
        self._files = sorted((path for path in find_images([folder]) if path.parent == folder), key=_in_order)
        if not self._files:
            raise ClipError(f"no pictures found in {folder}.")
        _check_sizes(self._files)
        self.names = _names(self._files)
        self._reduce = Reducer(max_size)
        self._size: tuple[int, int] | None = None
        height, width = self._pixels(self._files[0])[0].shape[:2]
        self._size = (width, height)
        if min(self._size) < MIN_SIDE:
            raise ClipError(f"{self._files[0]} is too small: {MIN_SIDE}×{MIN_SIDE} is the least.")
        duration = float(len(self._files) / rate)
        self.info = ClipInfo(*self._size, time_base=1 / rate, rate=rate, duration=duration)

    def frames(self, after: int | None = None, warm_up: int = 0) -> Iterator[Frame]:
        """The pictures; a tick is one frame."""
        first = 0 if after is None else max(0, after + 1 - warm_up)
        for number, path in enumerate(self._files[first:], first):
            rgb, alpha = self._pixels(path)
            yield Frame(number, 1, rgb, self.names[number], alpha)

    def _pixels(self, path: Path) -> tuple[UInt8Image, UInt8Image | None]:
        """RGB and alpha; a picture that its EXIF block turns, unlike the first, is made to fit."""
        picture = open_picture(path)
        layers = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha]
        reduced = [self._reduce(np.asarray(layer)) for layer in layers]
        if self._size is not None and reduced[0].shape[:2] != self._size[::-1]:
            reduced = [
                np.asarray(Image.fromarray(layer).resize(self._size, Image.Resampling.LANCZOS)) for layer in reduced
            ]
        return reduced[0], reduced[1] if len(reduced) > 1 else None


def _in_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _names(files: list[Path]) -> list[str]:
    """The stem of each, or its whole name where two differ in the suffix only."""
    stems = [path.stem for path in files]
    return [path.name.replace(".", "_") if stems.count(path.stem) > 1 else path.stem for path in files]


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
        settings: what the pictures depend on; each carries it.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str = ".png",
        *,
        overwrite: bool = False,
        first: int = 0,
        settings: Settings | None = None,
    ) -> None:
        if suffix not in SUFFIXES:
            raise OutputError(f"frames cannot be written as {suffix}: use one of {', '.join(SUFFIXES)}.")
        self.folder = folder
        self._suffix, self._overwrite, self._number = suffix, overwrite, first
        self._metadata = Metadata(xmp=mark(settings or {}))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made ({error.strerror}).") from error

    def add(self, frame: Frame) -> None:
        """Write the next picture."""
        path = self.folder / f"{frame.name or frame_name(self._number)}{self._suffix}"
        layers = Image.fromarray(frame.layered)
        alpha = layers.getchannel("A") if layers.mode == "RGBA" else None
        picture = Picture(layers.convert("RGB") if alpha else layers, alpha, self._metadata)
        save_picture(picture, path, overwrite=self._overwrite)
        self._number += 1

    def close(self) -> None:
        """Nothing is held back."""


def frame_name(number: int) -> str:
    """The name, without a suffix, of a frame that has none of its own."""
    return f"{number:06d}"


def finished_frames(folder: Path, suffix: str, names: list[str] | None, settings: Settings) -> int:
    """Number of frames from the beginning that an earlier run with the same settings made.

    Args:
        folder: where frames go.
        suffix: of the frames.
        names: of the source's frames; None if they are numbered.
        settings: what the pictures depend on.

    Raises `ConfigError` for frames that were made with other settings, `OutputError` for pictures of somebody else
    under the name of a frame: neither is taken for one, and neither is replaced.
    """
    marks: dict[str, bool] = {}
    for path in pictures_in(folder):
        found = read_mark(path)
        if found is not None:
            compare(path, found, settings)
        marks[path.name] = found is not None
    if marks and not any(marks.values()):
        raise OutputError(
            f"{folder} holds pictures, but none of an interrupted run of fastnst: name another folder, or pass"
            " --overwrite instead of --resume."
        )
    known = {f"{name}{suffix}" for name in names} if names is not None else None
    for name, ours in marks.items():
        expected = name in known if known is not None else re.fullmatch(rf"\d{{6,}}{re.escape(suffix)}", name)
        if expected and not ours:
            raise OutputError(
                f"{folder / name} was not made by an interrupted run of fastnst: move it away, or pass --overwrite"
                " instead of --resume to replace it."
            )
    count = 0
    while names is None or count < len(names):
        name = names[count] if names is not None else frame_name(count)
        if not marks.get(f"{name}{suffix}"):
            break
        count += 1
    return count


def clear_torn_frames(folder: Path, suffix: str) -> None:
    """Remove the hidden files of frames that a killed run was writing; the output is locked, so no run is at it."""
    if os.path.isdir(folder):
        for path in folder.glob(f".*-????????{glob.escape(suffix)}"):
            if re.fullmatch(r"\..{1,40}-[0-9a-f]{8}", path.stem):
                path.unlink(missing_ok=True)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, if it is there."""
    if not os.path.isdir(folder):
        return []
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in READABLE and path.name[0] != "."]
