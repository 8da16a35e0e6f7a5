"""The light of a photo, kept in its painting: black stays dark, white stays bright, a fade stays a ramp.

Instance normalization takes away how bright a picture is and how much contrast it has: a frame that fades from black
would be painted at full strength from its first trace of a shape on, and black bars and white grounds in the middle
tones. Three bounds give the light back. They have no parameters, so networks that were trained without them get it too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_CELL_SIZE = 4  # pixels; every network's stride is a multiple of it
_NEIGHBOURHOOD_CELLS = 5  # cells: light is compared over squares of 20 pixels
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601
# Root mean square of a picture's light, in [0, 1], from which on it is painted at full strength. Nineteen in twenty
# ordinary photos have more than 0.3, and so at least nine tenths of it.
_FULL_STRENGTH_LIGHT = 0.55
# How many times as light as the photo its painting may be as a whole, so that a fade gets no more than twice as steep,
# and the light below which it may less.
_MAX_WHOLE_RATIO, _DARK_PICTURE = 1.9, 0.01
# How far from black a place's light may be: 0.02 + 4 · light + 150 · light², so that black bars and night stay dark,
# while dark clothes (light of 0.05 and more) are painted freely: held to a multiple of their light, pale styles got
# black smudges there.
_DARK_BOUND = (0.02, 4.0, 150.0)
# How many times as far from white as the photo's a place's light may be, and as much more as visible strokes need.
_BRIGHT_BOUND = (3.0, 0.15)
_EPSILON = 1e-3  # keeps divisions finite, in float16 too


def keep_light(photo: Tensor, painted: Tensor) -> Tensor:
    """The painting with the photo's light where it would be lost: float `[N, 3, H, W]` in [0, 1], both.

    What the picture as a whole lacks in contrast against black the style lacks in strength: the photo shows through,
    and black comes back as it is. Each place is scaled towards black, or towards white, until its light over 20 pixels
    is no further from black, or from white, than the photo's light there allows; and the whole until it is
    at most 1.9 times as light as the photo. Elsewhere, which is nearly everywhere in ordinary photos, nothing changes.
    H and W are multiples of 4.
    """
    light = _light(photo)
    lacking = 1 - (_mean(light * light).sqrt() / _FULL_STRENGTH_LIGHT).clamp(max=1)
    strength = 1 - lacking * lacking * lacking
    mixed = _neighbourhood_mean(strength * _light(painted) + (1 - strength) * light)
    light = _neighbourhood_mean(light)
    limit = _DARK_BOUND[0] + light * (_DARK_BOUND[1] + _DARK_BOUND[2] * light)
    dark = (limit / (mixed + _EPSILON)).clamp(max=1)
    bright = ((_BRIGHT_BOUND[0] * (1 - light) + _BRIGHT_BOUND[1]) / (1 - mixed * dark + _EPSILON)).clamp(max=1)
    # 1 - bright · (1 - dark · mix) as a product and a sum, so that little is of the size of the picture.
    scale, lift = dark * bright, 1 - bright
    mean = _mean(light)
    limit = _MAX_WHOLE_RATIO * mean * (mean / (mean + _DARK_PICTURE))
    whole = (limit / (_mean(scale * mixed + lift) + _EPSILON)).clamp(max=1)
    kept: Tensor = _enlarged(scale * whole) * (strength * painted + (1 - strength) * photo) + _enlarged(lift * whole)
    return kept


def _light(images: Tensor) -> Tensor:
    """The luma over cells of 4×4 pixels, `[N, 1, H/4, W/4]`."""
    cells = F.avg_pool2d(images, _CELL_SIZE)
    if not torch.compiler.is_exporting():  # a tensor of constants would make each step wait for the GPU
        red, green, blue = cells.split(1, dim=1)
        light: Tensor = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        return light
    return (cells * cells.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _mean(light: Tensor) -> Tensor:
    return light.mean((2, 3), keepdim=True)


def _neighbourhood_mean(light: Tensor) -> Tensor:
    return F.avg_pool2d(
        light, _NEIGHBOURHOOD_CELLS, stride=1, padding=_NEIGHBOURHOOD_CELLS // 2, count_include_pad=False
    )


def _enlarged(light: Tensor) -> Tensor:
    return F.interpolate(light, scale_factor=float(_CELL_SIZE), mode="bilinear", align_corners=False)
