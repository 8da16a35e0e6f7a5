"""Types that pass between the parts of the pipeline: frames with their times, and the description of a clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import numpy as np

from fastnst.array_types import FloatPlane, UInt8Image


@dataclass(frozen=True)
class Frame:
    """One picture of a clip, from its source to its sink.

    Attributes:
        time: when it is shown, in ticks of the clip's time base from the clip's beginning.
        duration: for how long, in ticks; None if the source does not say.
        rgb: the source's picture, uint8 `[H, W, 3]`, upright.
        name: the file's stem, where the frame came from a folder.
        alpha: the source's own transparency, uint8 `[H, W]`; None where it has none.
        matte: 1 where people are, float32 `[H, W]`, between the stage that finds them and the one that needs them.
        stylized: what was made of it, uint8 `[H, W, 3]`; for folders also `[H, W]` (grey) or `[H, W, 4]` (with alpha).
    """

    time: int
    duration: int | None
    rgb: UInt8Image
    name: str = ""
    alpha: UInt8Image | None = None
    matte: FloatPlane | None = None
    stylized: UInt8Image | None = None

    @property
    def shown(self) -> UInt8Image:
        """The picture to show: what was made of it, else the source's."""
        return self.rgb if self.stylized is None else self.stylized

    @property
    def layered(self) -> UInt8Image:
        """`shown` with the transparency of the source, and with its own where it has one; as it is without any."""
        shown = self.shown
        if self.alpha is None or shown.ndim != 3:
            return shown
        if shown.shape[2] == 3:
            return np.dstack((shown, self.alpha))
        both = shown[..., 3].astype(np.uint16) * self.alpha
        return np.dstack((shown[..., :3], ((both + 127) // 255).astype(np.uint8)))

    @property
    def opaque(self) -> UInt8Image:
        """`shown`, uint8 `[H, W, 3]`, with what is transparent laid on white."""
        layers = self.layered
        if layers.shape[2] == 3:
            return layers
        alpha = layers[..., 3:].astype(np.uint16)
        mixed = layers[..., :3] * alpha + 255 * (255 - alpha)
        return ((mixed + 127) // 255).astype(np.uint8)


@dataclass(frozen=True)
class Colors:
    """The tags that tell a player how to read the pixels: H.273 code points, as FFmpeg numbers them."""

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


@dataclass(frozen=True)
class ClipInfo:
    """A clip as it will be restyled: upright and already reduced.

    Attributes:
        width, height: of the frames, pixels.
        time_base: seconds a tick.
        rate: frames a second, exact (30000/1001); of a variable rate, the mean; None if unknown.
        duration: seconds, None if unknown.
        sample_aspect: width of a pixel over its height.
        colors: the tags for the result.
        plays: how often an animation plays; 0 without end, None for what is not one.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None = None
    duration: float | None = None
    sample_aspect: Fraction | None = None
    colors: Colors = field(default_factory=Colors)
    plays: int | None = None


class Source(Protocol):
    """A source of frames."""

    name: str
    info: ClipInfo
    warnings: list[str]

    def frames(self, after: int | None = None, warm_up: int = 0) -> Iterator[Frame]:
        """The frames in order of their times; only those later than `after` ticks, if given.

        `warm_up` asks for about so many of the frames before, too, as far as there are any; their times identify them.
        """


class Sink(Protocol):
    """A target of frames. `close` must be called in the end, also after a failure."""

    def add(self, frame: Frame) -> None:
        """Take the next frame."""

    def close(self) -> None:
        """Write what is held back and end the file, so that it can be played."""
