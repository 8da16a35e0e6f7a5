"""Filters over time: restyled pictures, and mattes, are calmed where the input stands still."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from fastnst.array_types import FloatPlane, UInt8Image

_PREVIOUS_WEIGHT = (
    0.85  # of the previous picture where nothing moves: flicker falls to about √((1−a)/(1+a)) = 0.28 of itself
)
_STILL, _MOVING = 3, 12  # levels of difference: below it is noise, above it is motion; between them it fades
_MOTION_REDUCTION = 4  # motion is looked for at a quarter of the size, where sensor noise has averaged out
_MOTION_REACH = 3  # pixels of the reduced picture around a change that count as changed: a brush stroke is that wide


class Smoother:
    """A recursive filter on restyled frames that follows motion in the input. Keeps one picture of memory.

    Where the input hardly changed since the last frame, the new picture is mixed with the last result; where it
    moved, and everywhere after a scene's cut, the new picture is shown as it is, so nothing trails behind.
    """

    def __init__(self) -> None:
        self._input: Image.Image | None = None
        self._shown: Image.Image | None = None
        ramp = np.clip((_MOVING - np.arange(256)) / (_MOVING - _STILL), 0, 1)
        self._weights = [round(255 * _PREVIOUS_WEIGHT * value) for value in ramp]

    def __call__(self, photo: UInt8Image, stylized: UInt8Image) -> UInt8Image:
        """Filter one frame, uint8 RGB `[H, W, 3]` before and after restyling; the same shape comes back."""
        picture = Image.fromarray(stylized)
        reduced = Image.fromarray(photo).reduce(_MOTION_REDUCTION)
        if self._shown is not None and self._input is not None and self._shown.size == picture.size:
            weight = self._still(reduced, self._input).resize(picture.size, Image.Resampling.BILINEAR)
            picture = Image.composite(self._shown, picture, weight)
        self._input, self._shown = reduced, picture
        return np.asarray(picture)

    def _still(self, now: Image.Image, before: Image.Image) -> Image.Image:
        """The weight of the last picture, mode L: high where no channel changed nearby."""
        red, green, blue = ImageChops.difference(now, before).split()
        change = ImageChops.lighter(ImageChops.lighter(red, green), blue)
        return change.filter(ImageFilter.MaxFilter(2 * _MOTION_REACH + 1)).point(self._weights)


class TemporalSmoothing:
    """Keep the mattes of a video from flickering.

    Where an alpha changes little from frame to frame it is averaged over time; where it changes much, something moved,
    and the new value is taken at once, so that nothing trails.

    Args:
        strength: share of the past where nothing moves, 0 … 1.
        motion: a change of the alpha from which on it is motion.
    """

    def __init__(self, strength: float = 0.6, motion: float = 0.3) -> None:
        self.strength, self.motion = strength, motion
        self._last: FloatPlane | None = None

    def __call__(self, alpha: FloatPlane) -> FloatPlane:
        """The smoothed matte of the next frame; a frame of another size starts anew."""
        if self._last is None or self._last.shape != alpha.shape:
            self._last = alpha
            return alpha
        change = np.abs(alpha - self._last)
        past = self.strength * np.clip(1 - change / self.motion, 0, 1)
        self._last = (alpha + past * (self._last - alpha)).astype(np.float32)
        return self._last

    def reset(self) -> None:
        """Forget the past, as at a cut."""
        self._last = None
