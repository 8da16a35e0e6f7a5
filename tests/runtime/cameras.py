"""Captures and screens of our own for the tests of the camera."""

from __future__ import annotations

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
