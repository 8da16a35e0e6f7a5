"""Captures and screens of our own for the tests of the camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np


class Fake:
    """A capture of OpenCV's kind: picture number n is n levels bright; `faults` are numbers at which it fails."""

    def __init__(self, interval: float = 0.01, opened: bool = True, last: int | None = None) -> None:
        self._interval, self._opened, self._last, self._number = interval, opened, last, 0

    def isOpened(self) -> bool:  # noqa: N802
        return self._opened

    def get(self, _: int) -> float:
        return 1 / self._interval

    def grab(self) -> bool:
        return self.read()[0]

    def read(self) -> tuple[bool, Any]:
        time.sleep(self._interval)
        if self._last is not None and self._number >= self._last:
            return False, None
        self._number += 1
        return True, np.full((48, 64, 3), self._number % 256, np.uint8)

    def release(self) -> None:
        self._opened = False


class Stepped(Fake):
    """A capture that gives pictures freely until `hold`, then only as many as `give` allows."""

    def __init__(self) -> None:
        super().__init__(0.002)
        self.waiting = threading.Event()
        self._free = True
        self._allowed = threading.Semaphore(0)

    @property
    def given(self) -> int:
        """Number of pictures given so far."""
        return self._number

    def hold(self) -> None:
        """Give no picture more; returns when the reader waits for the next."""
        self._free = False
        assert self.waiting.wait(10)

    def give(self, count: int) -> None:
        """Give so many and return when the reader waits for another."""
        for _ in range(count):
            self.waiting.clear()
            self._allowed.release()
            assert self.waiting.wait(10)

    def release(self) -> None:
        super().release()
        self._allowed.release()

    def stop(self) -> None:
        """Let the reader end."""
        self._free = True
        self._allowed.release()

    def read(self) -> tuple[bool, Any]:
        if not self._free:
            self.waiting.set()
            self._allowed.acquire()
        return super().read()


class Scripted:
    """A screen that presses keys: `keys[n]` after picture n; keeps what it was shown."""

    def __init__(self, keys: dict[int, str], on_show: Callable[[], None] = lambda: None) -> None:
        self.keys, self.shown, self._on_show = keys, [], on_show  # type: ignore[var-annotated]

    def show(self, rgb: np.ndarray) -> str:
        self._on_show()
        self.shown.append(rgb)
        return self.keys.get(len(self.shown), "")

    def close(self) -> None:
        pass
