"""A film of an optimization: an H.264 .mp4 written frame by frame."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from fastnst.array_types import UInt8Image
from fastnst.errors import ConfigError
from fastnst.output_files import check_output, write_atomically

_FRAMES_PER_SECOND = 30
_MAX_FILM_SECONDS = 15


class Film:
    """Collects frames into `path` (.mp4); leaves out some of them so that it stays under 15 seconds.

    Use as a context manager. The file is written beside its place and renamed at the end, also after an interruption.
    """

    def __init__(self, path: Path, steps: int, *, overwrite: bool = False) -> None:
        if path.suffix.lower() != ".mp4":
            raise ConfigError(f"a film is an .mp4 file, not {path.name}.")
        check_output(path, overwrite=overwrite)
        self.path = path
        self._place = contextlib.ExitStack()  # of the partial file, from the first frame on
        self._overwrite = overwrite
        self._every = max(1, steps // (_FRAMES_PER_SECOND * _MAX_FILM_SECONDS))
        self._container: object | None = None
        self._seen = 0

    def __enter__(self) -> Film:
        return self

    def add(self, frame: UInt8Image) -> None:
        """Take a frame, uint8 RGB `[H, W, 3]`; all of one size, cropped to even sides as H.264 wants."""
        import av

        self._seen += 1
        if (self._seen - 1) % self._every:
            return
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        if self._container is None:
            partial = self._place.enter_context(write_atomically(self.path, overwrite=self._overwrite))
            self._container = av.open(str(partial), "w")
            self._stream = self._container.add_stream("libx264", rate=Fraction(_FRAMES_PER_SECOND))
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"crf": "18"}
        if (height, width) != (self._stream.height, self._stream.width):
            return  # a coarser scale's frames do not fit into this film
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
        self._container.mux(self._stream.encode(picture))  # type: ignore[attr-defined]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        is_kept = kind is None or kind is KeyboardInterrupt
        with self._place:  # what is raised in here removes the partial file; a full disk becomes a sentence
            if self._container is not None:
                try:
                    if is_kept:
                        self._container.mux(self._stream.encode())  # type: ignore[attr-defined]
                finally:
                    self._container.close()  # type: ignore[attr-defined]
            if not is_kept and error is not None:
                raise error
