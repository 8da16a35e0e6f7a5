"""A clip played as if it were a camera: at its own rate, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fastnst.array_types import UInt8Image
from fastnst.errors import CameraError, ClipError, FastNSTError
from fastnst.runtime.video.open_source import open_file
from fastnst.runtime.video.types import Frame, Source


class FileCapture:
    """A capture of OpenCV's kind for a local clip or animated picture, read as clips are: the pictures are the same.

    Args:
        path: the file.
        max_size: reduce to this long side in pixels.

    Raises `CameraError` for what is not a clip or has no picture.
    """

    is_rgb = True

    def __init__(self, path: Path, max_size: int | None = None) -> None:
        try:
            self._source: Source | None = open_file(path, max_size)
        except ClipError as error:
            raise CameraError(str(error)) from error
        self._path = path
        self.rate = float(self._source.info.rate or 0)
        self._frames: Iterator[Frame] = iter(())

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """True if it can be read."""
        return self._source is not None

    def get(self, _: int) -> float:
        """The rate, the only property that is asked for."""
        return self.rate

    def grab(self) -> bool:
        """Pass over a picture."""
        return self.read()[0]

    def read(self) -> tuple[bool, UInt8Image | None]:
        """The next picture, uint8 `[H, W, 3]` RGB; after the last one comes the first.

        Raises `CameraError` if the file gives no picture at all: unlike a camera, it will not come back.
        """
        if self._source is None:
            return False, None
        frame = self._next()
        if frame is None:
            self._frames = self._source.frames()
            frame = self._next()
        if frame is None:
            raise CameraError(f"{self._path} has no frame that can be read.")
        return True, frame.opaque

    def release(self) -> None:
        """Close the file."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()
        self._source, self._frames = None, iter(())

    def _next(self) -> Frame | None:
        try:
            return next(self._frames, None)
        except FastNSTError as error:
            raise CameraError(str(error)) from error
