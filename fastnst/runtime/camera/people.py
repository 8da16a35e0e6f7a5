"""Portraits at the camera: people are looked for in a thread while the style runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fastnst.runtime.portrait import Portrait


class LivePortrait:
    """Restyles people or the background of one picture after the other.

    Args:
        portrait: made for video; its mattes are smoothed from picture to picture.
    """

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self._beside = ThreadPoolExecutor(1, "fastnst-matting")

    @property
    def mode(self) -> str:
        """What is restyled."""
        return self._portrait.options.mode

    def __call__(self, photo: np.ndarray, restyle: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The portrait, uint8 `[H, W, 3]` as the photo; `restyle` makes the whole picture's style."""
        matte = self._beside.submit(self._portrait.find, photo)
        stylized = restyle(photo)
        return self._portrait(photo, stylized, matte.result())

    def reset(self) -> None:
        """Forget earlier pictures: the next one does not follow them."""
        self._portrait.reset()

    def close(self) -> None:
        """Give the thread back."""
        self._beside.shutdown(wait=False, cancel_futures=True)
