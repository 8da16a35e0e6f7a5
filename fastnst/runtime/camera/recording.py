"""Snapshots and recordings of a live session. Nothing here makes the picture wait."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from fractions import Fraction
from pathlib import Path

from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.errors import FastNSTError, OutputError
from fastnst.images.encode import save_image
from fastnst.output_files import write_atomically
from fastnst.runtime.video._pyav import reason
from fastnst.runtime.video.encoders import choose_encoder
from fastnst.runtime.video.muxer import assemble
from fastnst.runtime.video.segments import PartWriter, part_packets, part_path
from fastnst.runtime.video.types import ClipInfo, Frame

log = logging.getLogger(__name__)

_TIME_BASE = Fraction(1, 90000)
_MAX_QUEUED_PICTURES = (
    30  # pictures; if the encoder is slower, pictures are left out of the recording, not of the screen
)


def unused(folder: Path, suffix: str) -> Path:
    """A file name with the time of day that is not taken."""
    stem = time.strftime("fastnst-%Y%m%d-%H%M%S")
    path, number = folder / f"{stem}{suffix}", 2
    while os.path.lexists(path) or os.path.lexists(part_path(path)):
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path


def snapshot(rgb: UInt8Image, folder: Path) -> Path:
    """Save one picture as PNG."""
    path = unused(folder, ".png")
    save_image(Image.fromarray(rgb), path)
    return path


class Recording:
    """An H.264 file with the times at which its pictures were captured, encoded in a thread.

    Attributes:
        path: where the film will be.
        left_out: pictures that came faster than they could be encoded.
        other_size: pictures of another size than the first, as when the view was changed.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        self.path = unused(folder, ".mp4")
        self.left_out = self.other_size = 0
        self._rate = Fraction(rate).limit_denominator(1001)
        self._waiting: queue.Queue[tuple[float, UInt8Image] | None] = queue.Queue(_MAX_QUEUED_PICTURES)
        self._failure: FastNSTError | None = None
        self._size: tuple[int, ...] | None = None
        self._thread = threading.Thread(target=self._guard, name="fastnst-recording", daemon=True)
        self._thread.start()

    def add(self, captured: float, rgb: UInt8Image) -> None:
        """Take a picture; one of another size than the first is left out."""
        self._size = self._size or rgb.shape
        if self._failure is not None:
            raise self._failure
        if rgb.shape != self._size:
            self.other_size += 1
            return
        try:
            self._waiting.put_nowait((captured, rgb))
        except queue.Full:
            self.left_out += 1

    def close(self) -> Path | None:
        """End the file and return where it is; None if it holds nothing.

        Raises the `FastNSTError` of a recording that failed; what was recorded until then plays in the file it names.
        """
        while self._thread.is_alive():  # a writer that failed reads no more
            try:
                self._waiting.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self.path if os.path.exists(self.path) else None

    def _guard(self) -> None:
        """Whatever the encoder stumbles over is reported by the session, not by a thread that nobody hears."""
        try:
            self._work()
        except FastNSTError as error:
            self._failure = self._with_part(error)
        except Exception as error:
            self._failure = self._with_part(OutputError(f"the recording {self.path} failed ({reason(error)})."))

    def _with_part(self, error: FastNSTError) -> FastNSTError:
        part = part_path(self.path)
        if not os.path.exists(part) or not any(True for _ in part_packets(part)):
            return error
        return type(error)(f"{error} What was recorded until then plays in {part}.")

    def _work(self) -> None:
        first = self._waiting.get()
        if first is None:
            return
        height, width = first[1].shape[0] // 2 * 2, first[1].shape[1] // 2 * 2
        info = ClipInfo(width, height, _TIME_BASE, self._rate)
        writer = PartWriter(part_path(self.path), info, choose_encoder(info), {})
        last = -1
        shot: tuple[float, UInt8Image] | None = first
        try:
            while shot is not None:
                last = max(last + 1, round((shot[0] - first[0]) / _TIME_BASE))
                writer.add(Frame(last, None, shot[1][:height, :width]))
                shot = self._waiting.get()
        except BaseException:
            with contextlib.suppress(FastNSTError):  # the first failure is the one to report
                writer.close()
            raise
        writer.close()
        with write_atomically(self.path) as partial:
            assemble([writer.path], partial, None)
        writer.path.unlink()
