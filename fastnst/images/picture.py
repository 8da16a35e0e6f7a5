"""A picture: sRGB pixels, transparency, and what its file carried."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from fastnst.images.metadata import Metadata

Source = str | Path | BinaryIO


@dataclass(frozen=True)
class Picture:
    """A photo and what should survive its restyling.

    Attributes:
        rgb: the pixels in sRGB, upright, mode RGB; under full transparency the nearest visible colours.
        alpha: transparency, mode L, of the same size; None if opaque.
        metadata: what the file carried.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    metadata: Metadata = field(default_factory=Metadata)

    def with_pixels(self, rgb: Image.Image) -> Picture:
        """This picture with other pixels; the alpha follows their size."""
        alpha = self.alpha
        if alpha is not None and alpha.size != rgb.size:
            alpha = alpha.resize(rgb.size, Image.Resampling.LANCZOS)
        return replace(self, rgb=rgb, alpha=alpha)

    def on_white(self) -> Image.Image:
        """The pixels, mode RGB, with transparent parts laid on white."""
        if self.alpha is None:
            return self.rgb
        return Image.composite(self.rgb, Image.new("RGB", self.rgb.size, "white"), self.alpha)
