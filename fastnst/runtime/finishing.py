"""The one finishing chain of photos, clips and the camera: colours, smoothing over time, strength, portrait.

The order is part of the contract. Colours come first, as the smoothing should calm what is shown; the strength comes
after the smoothing, so that the photo's own part stays as sharp in time as the photo; people and background are put
together last, from finished pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.errors import ConfigError
from fastnst.runtime.imaging.color import blend, transfer_luminance
from fastnst.runtime.portrait.compositor import Portrait
from fastnst.runtime.stroke_size import check_stroke
from fastnst.runtime.temporal import Smoother


@dataclass(frozen=True)
class RestyleOptions:
    """Options of the restyling: how much of the style, and what of the photo.

    Attributes:
        strength: 0 leaves the photo, 1 is the full style.
        preserve_color: keep the photo's colours and take the painting's light and strokes.
        stroke: size of the strokes, 0.5 … 2 times the style's own.
        smooth: calm what flickers where the input stands still; for frames that follow each other.
    """

    strength: float = 1.0
    preserve_color: bool = False
    stroke: float = 1.0
    smooth: bool = False

    def validate(self) -> None:
        """Raise `ConfigError` for numbers out of range."""
        check_strength(self.strength)
        check_stroke(self.stroke)


def check_strength(strength: float) -> float:
    """`strength` itself; raises `ConfigError` outside 0 … 1."""
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength must be between 0 and 1, not {strength}.")
    return strength


class Finisher:
    """Finishes restyled pictures; with `smooth` it remembers the last one, so that frames must come in order.

    Args:
        options: of the restyling; may be replaced between two frames.
        portrait: puts people and background together; None takes the whole restyled picture.
    """

    def __init__(self, options: RestyleOptions, portrait: Portrait | None = None) -> None:
        options.validate()
        self.options, self.portrait = options, portrait
        self._smoother = Smoother() if options.smooth else None

    @property
    def adjusts(self) -> bool:
        """True if `adjust` changes anything."""
        return self.options.strength != 1 or self.options.preserve_color or self._smoother is not None

    def __call__(self, photo: UInt8Image, stylized: UInt8Image, matte: FloatPlane | None = None) -> UInt8Image:
        """The whole chain.

        Args:
            photo, stylized: uint8 `[H, W, 3]` of one size.
            matte: 1 where people are, float32 `[H, W]`; None lets the portrait find them.

        Returns uint8 `[H, W, 3]`, or `[H, W, 4]` where the portrait is a cut-out. Raises what `Portrait` raises.
        """
        return self.compose(photo, self.adjust(photo, stylized), matte)

    def adjust(self, photo: UInt8Image, stylized: UInt8Image) -> UInt8Image:
        """Colours, smoothing and strength, in this order; uint8 `[H, W, 3]` each."""
        picture = transfer_luminance(photo, stylized) if self.options.preserve_color else stylized
        if self._smoother is not None:
            picture = self._smoother(photo, picture)
        return blend(photo, picture, self.options.strength)

    def compose(self, photo: UInt8Image, picture: UInt8Image, matte: FloatPlane | None = None) -> UInt8Image:
        """The portrait of an adjusted picture; the picture itself where no portrait is asked for."""
        return picture if self.portrait is None else self.portrait(photo, picture, matte)

    def reset(self) -> None:
        """Forget the last picture: the next one does not continue it."""
        if self._smoother is not None:
            self._smoother = Smoother()
