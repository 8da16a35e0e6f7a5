"""Animated pictures in: GIF, WebP, PNG and AVIF, frame by frame, with transparency, times and loop count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fastnst.errors import ClipError, ImageError
from fastnst.images._pillow import opened
from fastnst.images.animation import frame_numbers
from fastnst.images.color import to_srgb
from fastnst.images.decode import picture_size
from fastnst.images.transparency import bleed
from fastnst.runtime.models.style_model import MIN_SIDE
from fastnst.runtime.video.pixel_formats import Reducer, reduced_size
from fastnst.runtime.video.types import ClipInfo, Frame

_MAGIC = ((b"GIF8", 0), (b"\x89PNG\r\n\x1a\n", 0), (b"WEBP", 8), (b"ftypavi", 4))
_TICK = Fraction(1, 90000)  # holds GIF's hundredths, WebP's thousandths and what PNG has in use
_MAX_IGNORED_DURATION = 10  # milliseconds; at this and less browsers show a frame for a tenth of a second
_DEFAULT_DURATION = 100  # milliseconds
_MAX_PIXELS = 178_956_970  # of one frame; more is taken for a decompression bomb, as for photos


class AnimationSource:
    """The frames of an animated picture, as they are shown.

    Args:
        path: the file; one of a single frame is taken, too.
        max_size: reduce frames to this long side in pixels.

    Raises `ClipError` for what cannot be read or is too small.
    """

    def __init__(self, path: Path, max_size: int | None = None) -> None:
        self.name = str(path)
        self.warnings: list[str] = []
        self._path, self._max_size = path, max_size
        try:
            width, height = picture_size(path)
        except ImageError as error:
            raise ClipError(f"{path} is damaged or cut short, or not a picture.") from error
        if width * height > _MAX_PIXELS:
            raise ClipError(f"{path} has {width}×{height} pixels a frame, which may be a decompression bomb.")
        size = reduced_size(width, height, max_size)
        if min(size) < MIN_SIDE:
            raise ClipError(f"{path} is too small: {MIN_SIDE}×{MIN_SIDE} is the least.")
        first, frames, plays = self._look()
        self.info = ClipInfo(
            *size,
            time_base=_TICK,
            rate=(1 / (first * _TICK)).limit_denominator(1001),
            duration=float(frames * first * _TICK),
            plays=plays,
        )

    def frames(self, after: int | None = None, warm_up: int = 0) -> Iterator[Frame]:
        """The frames in order; only those later than `after` ticks and `warm_up` before them, if given."""
        earliest = -1 if after is None else after - warm_up * round(1 / (self.info.rate or 10) / _TICK)
        reduce = Reducer(self._max_size)
        time = 0
        with opened(self._path) as image:
            for number, place in enumerate(frame_numbers(image)):
                try:
                    image.seek(place)
                    image.load()
                    layers = image.convert("RGBA")
                except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
                    if number == 0:
                        raise ClipError(f"{self.name} is damaged or cut short ({_first_line(error)}).") from error
                    self.warnings.append(f"{self.name} is damaged or cut short: {number} of its frames can be read.")
                    return
                duration = _ticks(image.info.get("duration"))
                if time > earliest:
                    yield self._frame(layers, image.info.get("icc_profile"), time, duration, reduce)
                time += duration

    def _frame(self, layers: Image.Image, icc: Any, time: int, duration: int, reduce: Reducer) -> Frame:
        alpha = layers.getchannel("A")
        rgb = to_srgb(layers.convert("RGB"), icc if isinstance(icc, bytes) else None)
        if alpha.getextrema() == (255, 255):
            return Frame(time, duration, reduce(np.asarray(rgb)))
        bled = reduce(np.asarray(bleed(rgb, alpha)))
        return Frame(time, duration, bled, alpha=reduce(np.asarray(alpha)))

    def _look(self) -> tuple[int, int, int]:
        """Ticks of the first frame, the number of frames, how often they play."""
        try:
            with opened(self._path) as image:
                numbers = frame_numbers(image)
                image.seek(numbers[0])
                image.load()
                return _ticks(image.info.get("duration")), len(numbers), _plays(image)
        except Exception as error:
            raise ClipError(f"{self._path} is damaged or cut short ({_first_line(error)}).") from error


def is_picture_file(path: Path) -> bool:
    """True if a file is in one of the formats of animations, by its first bytes; False for what cannot be opened."""
    try:
        if not os.path.isfile(path):
            return False
        with path.open("rb") as file:
            start = file.read(16)
    except (OSError, ValueError):
        return False
    return any(start[place : place + len(mark)] == mark for mark, place in _MAGIC)


def _ticks(milliseconds: Any) -> int:
    usual = not isinstance(milliseconds, int | float) or not _MAX_IGNORED_DURATION < milliseconds < 1e7
    return round((_DEFAULT_DURATION if usual else milliseconds) / 1000 / float(_TICK))


def _plays(image: Image.Image) -> int:
    """Number of times the frames play, 0 without end. GIF has that of repetitions, and none if it plays once."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if not isinstance(loop, int) else (0 if loop == 0 else loop + 1)
    return loop if isinstance(loop, int) and loop > 0 else 0


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
