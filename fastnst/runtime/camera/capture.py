"""The newest picture of a camera: a thread reads, older pictures are dropped, never queued."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastnst.errors import CameraError
from fastnst.runtime.camera._opencv import import_cv2

log = logging.getLogger(__name__)

_RETRY = 1.0  # seconds between attempts to get a lost camera back
_FIRST_INDICES = 4  # cameras that are tried if none is named
_USUAL_RATE = 30.0
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
    rgb: np.ndarray


def open_capture(source: int | str) -> Any:
    """OpenCV's capture of a camera's number, a URL or a file; not opened if that fails."""
    cv2 = import_cv2()
    capture = cv2.VideoCapture(source)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where the driver listens: its own queue holds old pictures
    return capture


def find_camera(wanted: str | None, opener: Opener = open_capture) -> tuple[int | str, Any]:
    """Open the camera that was asked for, or the first that there is.

    Args:
        wanted: a number, a URL, a file, or None.

    Raises `CameraError` with what was tried.
    """
    if wanted is None:
        candidates: list[int | str] = list(range(_FIRST_INDICES))
    elif wanted.isdecimal():
        candidates = [int(wanted)]
    else:
        if "://" not in wanted and not wanted.startswith("/dev/") and not Path(wanted).is_file():
            raise CameraError(f"the camera '{wanted}' is no number, no URL, and no file that exists.")
        candidates = [wanted]
    for candidate in candidates:
        capture = opener(candidate)
        if capture.isOpened():
            return candidate, capture
        capture.release()
    tried = ", ".join(map(str, candidates))
    raise CameraError(
        f"no camera could be opened (tried {tried}): plug one in, or give --camera a number, URL or file."
    )


class Camera:
    """Reads in a thread of its own and keeps the newest picture. Use as a context manager.

    A file is played at its own rate, again and again, as if it were a camera. A camera that stops giving pictures is
    reported, and opened again every second until it is back.

    Args:
        wanted: see `find_camera`.
        opener: makes captures; tests put theirs here.
        retry: seconds between attempts to get a lost camera back.
    """

    def __init__(self, wanted: str | None, opener: Opener = open_capture, retry: float = _RETRY) -> None:
        self._opener, self._retry = opener, retry
        self.source, self._capture = find_camera(wanted, opener)
        self._is_file = isinstance(self.source, str) and Path(self.source).is_file() and self.source[:5] != "/dev/"
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
        cv2 = import_cv2()
        number = 0
        due = time.perf_counter()
        while not self._leave.is_set():
            good, bgr = self._capture.read()
            if not good:
                if self._is_file and number and self._rewind():
                    continue
                self._recover()
                due = time.perf_counter()
                continue
            if self._is_file:  # wait until a camera would have had this picture
                due = max(due + 1 / self.rate, time.perf_counter() - 1 / self.rate)
                self._leave.wait(max(0.0, due - time.perf_counter()))
            number += 1
            shot = Shot(number, time.perf_counter(), cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            with self._changed:
                self._newest = shot
                self._changed.notify_all()

    def _rewind(self) -> bool:
        self._capture.release()
        self._capture = self._opener(self.source)
        return bool(self._capture.isOpened())

    def _recover(self) -> None:
        """Open the camera again and again until it gives pictures or the program ends."""
        self.lost = True
        log.warning("the camera %s gives no pictures: trying again every %g s.", self.source, self._retry)
        while not self._leave.is_set():
            self._capture.release()
            self._leave.wait(self._retry)
            self._capture = self._opener(self.source)
            if self._capture.isOpened() and self._capture.grab():
                log.warning("the camera %s is back.", self.source)
                self.lost = False
                return

    def _rate(self) -> float:
        cv2 = import_cv2()
        rate = float(self._capture.get(cv2.CAP_PROP_FPS) or 0)
        return rate if 1 <= rate <= 1000 else _USUAL_RATE
