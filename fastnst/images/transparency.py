"""Pixels under transparency: nobody sees them, so they must not decide what is drawn beside them."""

from __future__ import annotations

from PIL import Image

_MIN_VISIBLE_ALPHA = 8  # alpha below this shows less than a thirtieth of a colour


def bleed(rgb: Image.Image, alpha: Image.Image) -> Image.Image:
    """The picture with the nearest visible colours under its transparent parts; visible pixels stay as they are.

    Colours are averaged down a pyramid with their visibility as weight, and filled in from its coarse end (pull-push:
    Gortler et al., "The Lumigraph", 1996). A picture of which nothing is visible becomes white.

    Args:
        rgb: mode RGB.
        alpha: mode L, of the same size.
    """
    shown = alpha.point([0] * _MIN_VISIBLE_ALPHA + list(range(_MIN_VISIBLE_ALPHA, 256)))
    if shown.getextrema() == (0, 0):
        return Image.new("RGB", rgb.size, "white")
    levels = [_with_alpha(rgb, shown)]
    while max(levels[-1].size) > 1 and levels[-1].getchannel("A").getextrema()[0] == 0:
        levels.append(_halved(levels[-1]))
    filled = levels[-1].convert("RGB")
    for level in reversed(levels[:-1]):
        wide = filled.resize(level.size, Image.Resampling.BILINEAR)
        seen = level.getchannel("A").point([0] + [255] * 255)
        filled = Image.composite(level.convert("RGB"), wide, seen)
    return filled


def _with_alpha(rgb: Image.Image, alpha: Image.Image) -> Image.Image:
    image = rgb.copy()
    image.putalpha(alpha)
    return image


def _halved(image: Image.Image) -> Image.Image:
    """Half the size; colours weighted by their alpha, which is full wherever anything was visible."""
    small = image.reduce(2)  # Pillow multiplies the colours by their alpha for this
    seen = small.getchannel("A").point([0] + [255] * 255)
    small.putalpha(seen)
    return small
