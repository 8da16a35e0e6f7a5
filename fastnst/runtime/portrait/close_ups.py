"""Faces that fill the frame: the network, made for heads with shoulders, leaves holes in them.

Such a picture is seen a second time, smaller, with mirrored surroundings. What is found then may fill the person up,
but not reach beyond the outline that was found first: on held-out portraits that raises the error of no view (from a
whole figure to a face that fills the frame), where taking the greater alpha everywhere raised most of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.array_types import FloatPlane, UInt8Image

MIN_SHARE = 0.4  # of the picture; a person that covers more is near
_MARGIN_SHARE = 0.25  # of the picture's sides, added on each
_MIN_PERSON_ALPHA = 0.5


def with_surroundings(photo: UInt8Image) -> UInt8Image:
    """The photo `[H, W, 3]` with a mirrored border, half as large again."""
    down, across = (round(extent * _MARGIN_SHARE) for extent in photo.shape[:2])
    return np.pad(photo, ((down, down), (across, across), (0, 0)), mode="reflect")


def without_surroundings(alpha: FloatPlane, shape: tuple[int, ...]) -> FloatPlane:
    """Of the matte of `with_surroundings` the photo's own part, at `shape` (height, width)."""
    height, width = alpha.shape
    border = _MARGIN_SHARE / (1 + 2 * _MARGIN_SHARE)
    box = (border * width, border * height, (1 - border) * width, (1 - border) * height)
    return np.asarray(Image.fromarray(alpha).resize((shape[1], shape[0]), Image.Resampling.BILINEAR, box))


def filled(alpha: FloatPlane, second: FloatPlane) -> FloatPlane:
    """A matte `[h, w]` that takes a second one's greater values within its people and the holes in them."""
    return np.where(_open_ground(alpha < _MIN_PERSON_ALPHA), alpha, np.maximum(alpha, second))


def _open_ground(ground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of `[h, w]` that is connected with the picture's border."""
    reached = np.zeros([extent + 2 for extent in ground.shape], bool)
    free = np.pad(ground, 1, constant_values=True)
    reached[[0, -1]] = reached[:, [0, -1]] = True
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown &= free
        if np.array_equal(grown, reached):
            return reached[1:-1, 1:-1]
        reached = grown
