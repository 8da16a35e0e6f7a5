"""Resizing as the matting networks saw it in training: every source pixel counts by the area it covers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.array_types import FloatPlane, UInt8Image

_PREREDUCTION_FACTOR = 8  # from this on, whole blocks are averaged first: large photos need not become floats


def area_resize(pixels: UInt8Image, height: int, width: int) -> FloatPlane:
    """uint8 `[H, W, C]` at another size, float32: area averages where it gets smaller, bilinear where larger.

    What OpenCV calls INTER_AREA, which MODNet's authors use. Reductions of 8 and more average whole blocks of pixels
    first, which is not exact where a block lies across two results.
    """
    across, down = (
        max(1, int(factor * 2 / _PREREDUCTION_FACTOR)) for factor in (pixels.shape[1] / width, pixels.shape[0] / height)
    )
    if max(across, down) > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce((across, down)))
    return _resampled(_resampled(pixels.astype(np.float32), height, 0), width, 1)


def _resampled(values: FloatPlane, new: int, axis: int) -> FloatPlane:
    """One axis of `[H, W, C]` at `new` pixels: a few weighted sources for each, taken one after the other."""
    old = values.shape[axis]
    if new == old:
        return values
    positions, weights = _sources(old, new)
    shape = [1, 1, 1]
    shape[axis] = new
    result: FloatPlane = np.zeros((1, 1, 1), np.float32)
    for position, weight in zip(positions, weights, strict=True):
        result = result + weight.reshape(shape) * np.take(values, position, axis=axis)
    return result


def _sources(old: int, new: int) -> tuple[NDArray[np.intp], FloatPlane]:
    """For each of `new` pixels the positions of its sources and their weights, both `[K, new]`; weights sum to 1."""
    if new > old:
        centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        first = np.floor(centres).astype(int)
        share = centres - first
        return np.stack((first, np.minimum(first + 1, old - 1))), np.stack((1 - share, share)).astype(np.float32)
    edges = np.arange(new + 1) * old / new
    first = np.floor(edges[:-1]).astype(int)
    positions = first + np.arange(math.ceil(old / new) + 1)[:, None]
    covered = np.minimum(edges[1:], positions + 1) - np.maximum(edges[:-1], positions)
    weights = np.clip(covered, 0, None) * new / old
    return np.minimum(positions, old - 1), weights.astype(np.float32)
