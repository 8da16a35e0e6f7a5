"""A picture and what should survive its restyling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image

Source = str | Path | BinaryIO


@dataclass(frozen=True)
class Picture:
    """A photo and what should survive its restyling.

    Attributes:
        rgb: the pixels, upright, mode RGB.
        alpha: transparency, mode L, of the same size; None if opaque.
        icc: the colour profile, or None.
        exif: the EXIF block with its orientation reset (the pixels are upright already), or None.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    icc: bytes | None = None
    exif: bytes | None = None

    def with_pixels(self, rgb: Image.Image) -> Picture:
        """This picture with other pixels; the alpha follows their size."""
        alpha = self.alpha
        if alpha is not None and alpha.size != rgb.size:
            alpha = alpha.resize(rgb.size, Image.Resampling.LANCZOS)
        return replace(self, rgb=rgb, alpha=alpha)
