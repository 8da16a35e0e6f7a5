"""Enlarge a restyled picture to its photo's size without the softness of enlarging.

All of it is done to luma, for eyes see sharpness there; colours are enlarged as they are.

1. Around each pixel restyled luma is taken as a linear function of the photo's (He, Sun, Tang 2013, the guided filter).
   That much of the picture is the photo in the style's contrast, and is taken from the photo itself, in full detail.
   What is left are strokes, which the photo does not hold.
2. Strokes are smoothed along their direction, which takes away the stairs that enlarging makes of slanted lines. The
   direction is that of the structure tensor, as in coherence-enhancing filters (Kyprianidis, Kang 2011, "Image and
   Video Abstraction by Coherence-Enhancing Filtering"), here with eight directions between which is faded.
3. Their edges are made steep by unsharp masking. No value may leave the range of its neighbours, so that there are none
   of the bright and dark seams (halos) of plain sharpening.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.runtime.imaging.filters import box_mean
from fastnst.runtime.imaging.guided_filter import linear_coefficients

_WINDOW_RADIUS = 2  # radius of the guided filter in pixels of the small picture
_EPSILON = 1e-3 * 255**2  # of squared levels: fainter texture of the photo is not an edge, and its noise is not added
_UNSHARP_AMOUNT = 3.0  # less where the picture is hardly enlarged, for then little is lost
_DIRECTIONS = ((1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1))  # x, y; together half a circle
_MIN_SLOPE = 4.0  # squared levels; below it there is no stroke to follow
_ALONG_SHARE = 0.75  # how much of a clear stroke is smoothed along it
_BAND_PIXELS = 4_000_000  # pixels that are worked on at once
_MARGIN = 16  # rows around a band, of either picture, on which it depends


def enlarged_sharply(result: UInt8Image, small: UInt8Image, photo: UInt8Image) -> UInt8Image:
    """A restyled picture at its photo's size.

    Large pictures are made in bands of rows, so that memory stays at a few hundred MB above the pictures themselves.

    Args:
        result: what a style made of `small`, uint8 `[h, w, 3]`.
        small: the photo at that size.
        photo: uint8 `[H, W, 3]`, one to a few times as large.

    Returns uint8 `[H, W, 3]`.
    """
    height, width = photo.shape[:2]
    rows = max(_MARGIN, _BAND_PIXELS // width)
    finished = np.empty_like(photo)
    for first in range(0, height, rows):
        start, stop = max(0, first - _MARGIN), min(height, first + rows + _MARGIN)
        band = _sharp_band(result, small, photo[start:stop], start / height, stop / height)
        finished[first : first + rows] = band[first - start :][:rows]
    return finished


def _sharp_band(result: UInt8Image, small: UInt8Image, photo: UInt8Image, top: float, bottom: float) -> UInt8Image:
    """The part of `enlarged_sharply` from `top` to `bottom`, shares of the height; `photo` is that part of it."""
    height, width = small.shape[:2]
    first, last = max(0, int(top * height) - _MARGIN), min(height, int(bottom * height) + 1 + _MARGIN)
    result, small = result[first:last], small[first:last]
    box, size = (0, top * height - first, width, bottom * height - first), (photo.shape[1], photo.shape[0])
    # Where a plane is a function of others, it is enlarged as they are, or the difference would show.
    guide, restyled = _luma(small), _luma(result)
    slopes, _ = linear_coefficients(guide[None], restyled, _WINDOW_RADIUS, _EPSILON)
    luma, slope = _enlarged(restyled, size, box), _enlarged(slopes[0], size, box)
    strokes = _smooth_along(luma - slope * _enlarged(guide, size, box), luma)
    base = strokes + slope * _luma(photo)
    factor = size[0] / width
    steep = base + _UNSHARP_AMOUNT * min(1, 2 * (factor - 1)) * (strokes - _soft(strokes))
    reach = 1 if factor < 1.5 else 2  # to the next pixel of the small picture
    steep = np.clip(steep, -_highest(-base, reach), _highest(base, reach))
    large = np.asarray(Image.fromarray(result).resize(size, Image.Resampling.BICUBIC, box))
    levels: UInt8Image = np.rint(np.clip(large + (steep - _luma(large))[..., None], 0, 255)).astype(np.uint8)
    return levels


def _smooth_along(plane: FloatPlane, luma: FloatPlane) -> FloatPlane:
    """A plane `[H, W]` averaged over a few pixels along the strokes of luma, where there are any."""
    down, right = np.gradient(luma)
    tensor = np.stack((down * down - right * right, -2 * right * down, down * down + right * right))
    across, slanted, total = box_mean(box_mean(tensor, 3), 3)
    strength = np.hypot(across, slanted) + 1e-6
    across, slanted = across / strength, slanted / strength  # cosine and sine of twice the stroke's angle
    smooth, weights = np.zeros_like(plane), np.full_like(plane, 1e-6)
    padded = np.pad(plane, 2, mode="edge")
    for x, y in _DIRECTIONS:
        double = 2 * np.arctan2(y, x)
        weight = np.maximum(across * np.float32(np.cos(double)) + slanted * np.float32(np.sin(double)), 0)
        for _ in range(3):
            weight *= weight  # the eighth power: neighbours in `_DIRECTIONS` overlap, others hardly
        steps = [(x, y)] if 2 in (abs(x), abs(y)) else [(x, y), (2 * x, 2 * y)]
        ends = [_shifted(padded, sign * dx, sign * dy) for dx, dy in steps for sign in (1, -1)]
        smooth += weight * (sum(ends) / len(ends))
        weights += weight
    share = _ALONG_SHARE * np.minimum(1, strength / (np.maximum(total, 0) + _MIN_SLOPE))
    result: FloatPlane = plane + share * (smooth / weights - plane)
    return result


def _shifted(padded: FloatPlane, x: int, y: int) -> FloatPlane:
    """The plane inside a border of two pixels, moved by up to that."""
    moved: FloatPlane = padded[2 + y : padded.shape[0] - 2 + y, 2 + x : padded.shape[1] - 2 + x]
    return moved


def _soft(plane: FloatPlane) -> FloatPlane:
    soft: FloatPlane = box_mean(box_mean(plane[None], 1), 1)[0]  # nearly a Gaussian of 1.15 pixels
    return soft


def _highest(plane: FloatPlane, reach: int) -> FloatPlane:
    """The greatest value within `reach` pixels (a square), `[H, W]`."""
    for axis in (0, 1):
        border = [(reach, reach) if number == axis else (0, 0) for number in (0, 1)]
        padded, length = np.pad(plane, border, mode="edge"), plane.shape[axis]
        plane = np.maximum.reduce([padded.take(range(step, step + length), axis) for step in range(2 * reach + 1)])
    return plane


def _enlarged(plane: FloatPlane, size: tuple[int, int], box: tuple[float, float, float, float]) -> FloatPlane:
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC, box))


def _luma(pixels: UInt8Image) -> FloatPlane:
    """Luma of uint8 `[H, W, 3]` (ITU-R BT.601), float32 in levels of 255."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
