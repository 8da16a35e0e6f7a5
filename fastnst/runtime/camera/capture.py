"""The newest picture of a camera: a thread reads, older pictures are dropped, never queued."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastnst.array_types import UInt8Image
from fastnst.errors import CameraError
from fastnst.printable import printable
from fastnst.runtime.camera._opencv import import_cv2
from fastnst.runtime.camera.file_capture import FileCapture

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0  # seconds between attempts to get a lost camera back
_MAX_TRIED_CAMERAS = 4  # cameras that are tried if none is named
_USUAL_RATE = 30.0
_RATE_PROPERTY = 5  # OpenCV's CAP_PROP_FPS; files are played without OpenCV
_MAX_CAMERA_NUMBER = 9999  # of a device; OpenCV's own numbers end well below
_PROTOCOLS = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp", "rtp", "srt", "mms")
_MAX_FIRST_PICTURE_SECONDS = 15.0  # seconds that a camera may take for its first picture
Opener = Callable[["int | str"], Any]


@dataclass(frozen=True)
class Shot:
    """A picture of a camera.

    Attributes:
        number: counted by the camera; gaps are pictures that nobody took.
        captured: when it was there, `time.perf_counter()`.
        rgb: uint8 `[H, W, 3]`.
    """

    number: int
    captured: float
    rgb: UInt8Image


def open_capture(source: int | str) -> Any:
    """OpenCV's capture of a camera's number, a device or an address; not opened if that fails."""
    cv2 = import_cv2()
    capture = cv2.VideoCapture(source)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where the driver listens: its own queue holds old pictures
    return capture


def find_camera(wanted: str | None, opener: Opener = open_capture) -> tuple[int | str, Any]:
    """Open the camera that was asked for, or the first that there is.

    Args:
        wanted: a number, an address, a device, or None.

    Raises `CameraError` with what was tried.
    """
    candidates: list[int | str] = list(range(_MAX_TRIED_CAMERAS)) if wanted is None else [_checked(wanted)]
    for candidate in candidates:
        capture = opener(candidate)
        if capture.isOpened():
            return candidate, capture
        capture.release()
    tried = printable(", ".join(map(str, candidates)))
    raise CameraError(
        f"no camera could be opened (tried {tried}): plug one in, or give --camera a number, an address or a file."
    )


def is_file(wanted: str | None) -> bool:
    """True if a camera's name is that of a file to play."""
    if wanted is None or "://" in wanted or _is_number(wanted):
        return False
    try:
        return os.path.isfile(wanted) if wanted.startswith("/dev/") else os.path.exists(wanted)
    except (OSError, ValueError):
        return False


def _checked(wanted: str) -> int | str:
    """A camera's name as OpenCV takes it; raises `CameraError` for what it would stumble over."""
    name = printable(wanted)
    if _is_number(wanted):
        if len(wanted) > len(str(_MAX_CAMERA_NUMBER)):
            raise CameraError(f"there is no camera {name}: their numbers go from 0 to {_MAX_CAMERA_NUMBER}.")
        return int(wanted)
    protocol, separator, _ = wanted.partition("://")
    try:
        wanted.encode()
    except UnicodeEncodeError:
        raise CameraError(f"the camera '{name}' has a name that is not text.") from None
    if separator and protocol.lower() not in _PROTOCOLS:
        raise CameraError(f"the camera '{name}' has an address that is not of {', '.join(_PROTOCOLS)}.")
    if not separator and not wanted.startswith("/dev/"):
        raise CameraError(f"the camera '{name}' is not a number, not an address, and not a file that exists.")
    return wanted


def _is_number(wanted: str) -> bool:
    return wanted.isascii() and wanted.isdigit()


class Camera:
    """Reads in a thread of its own and keeps the newest picture. Use as a context manager.

    A file is played at its own rate, again and again, as if it were a camera. A camera that stops giving pictures is
    reported, and opened again every second until it is back.

    Args:
        wanted: a file, or see `find_camera`.
        opener: makes captures; tests put theirs here.
        retry: seconds between attempts to get a lost camera back.
        max_size: files are reduced to this long side in pixels while they are read, exactly as clips are.
        patience: seconds for the first picture of all.

    Raises `CameraError` if it cannot be opened.
    """

    def __init__(
        self,
        wanted: str | None,
        opener: Opener = open_capture,
        retry: float = _RETRY_SECONDS,
        max_size: int | None = None,
        patience: float = _MAX_FIRST_PICTURE_SECONDS,
    ) -> None:
        self._opener, self._retry, self.patience = opener, retry, patience
        self._is_file = wanted is not None and is_file(wanted)
        self.source: int | str
        if self._is_file and wanted is not None:
            self.source, self._capture = wanted, FileCapture(Path(wanted), max_size)
        else:
            self.source, self._capture = find_camera(wanted, opener)
        self.rate = self._rate()
        self.lost = False
        self._newest: Shot | None = None
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._guard, name="fastnst-camera", daemon=True)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join(5)  # a driver that hangs must not hold the program

    def newest(self, after: int, timeout: float) -> Shot | None:
        """The newest picture, if it is later than number `after`; waits for one up to `timeout` seconds."""

        def there() -> bool:
            return self._failure is not None or (self._newest is not None and self._newest.number > after)

        with self._changed:
            if not self._changed.wait_for(there, timeout):
                return None
            if self._failure is not None:
                raise self._failure
            return self._newest

    def _guard(self) -> None:
        try:
            self._work()
        except BaseException as error:  # whoever waits for a picture must hear of it
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            self._capture.release()

    def _work(self) -> None:
        to_rgb = _unchanged if self._is_file else _bgr_to_rgb()
        number = 0
        due = time.perf_counter()
        while not self._leave.is_set():
            good, pixels = self._capture.read()
            if not good or pixels is None:
                self._recover()
                due = time.perf_counter()
                continue
            if self._is_file:  # wait until a camera would have had this picture
                due = max(due + 1 / self.rate, time.perf_counter() - 1 / self.rate)
                self._leave.wait(max(0.0, due - time.perf_counter()))
            number += 1
            shot = Shot(number, time.perf_counter(), to_rgb(pixels))
            with self._changed:
                self._newest = shot
                self._changed.notify_all()

    def _recover(self) -> None:
        """Open the camera again and again until it gives pictures or the program ends."""
        self.lost = True
        name = printable(self.source)
        log.warning("the camera %s gives no pictures: trying again every %g s.", name, self._retry)
        while not self._leave.is_set():
            self._capture.release()
            self._leave.wait(self._retry)
            self._capture = self._opener(self.source)
            if self._capture.isOpened() and self._capture.grab():
                log.warning("the camera %s is back.", name)
                self.lost = False
                return

    def _rate(self) -> float:
        rate = float(self._capture.get(_RATE_PROPERTY) or 0)
        return rate if 1 <= rate <= 1000 else _USUAL_RATE


def _bgr_to_rgb() -> Callable[[UInt8Image], UInt8Image]:
    cv2 = import_cv2()
    return lambda bgr: cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _unchanged(rgb: UInt8Image) -> UInt8Image:
    return rgb
