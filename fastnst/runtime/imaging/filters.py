"""Box means and enlarging of float planes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.array_types import FloatArray, FloatPlane


def box_mean(planes: FloatArray, radius: int) -> FloatPlane:
    """The mean over the (2r+1)² pixels around each one, fewer at the borders, of planes `[C, h, w]`; float32.

    By running sums, so that the radius costs nothing.
    """
    return _running_mean(_running_mean(planes, radius, 1), radius, 2)


def enlarge(plane: FloatArray, size: tuple[int, int]) -> FloatPlane:
    """A float plane `[h, w]` at `size` (width, height), bilinear (averaging where it gets smaller), float32."""
    if plane.shape == size[::-1]:
        return plane.astype(np.float32)
    resized = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.array(resized)


def _running_mean(planes: FloatArray, radius: int, axis: int) -> FloatPlane:
    length = planes.shape[axis]
    sums = np.zeros([extent + (number == axis) for number, extent in enumerate(planes.shape)], np.float32)
    if axis == 1:  # row by row: numpy's own running sum across rows is several times as slow
        for row in range(length):
            np.add(sums[:, row], planes[:, row], out=sums[:, row + 1])
    else:
        np.cumsum(planes, axis=axis, out=sums[_part(axis, 1, None)])
    start = np.maximum(np.arange(length) - radius, 0)
    stop = np.minimum(np.arange(length) + radius + 1, length)
    if length <= 2 * radius:
        window: FloatPlane = np.take(sums, stop, axis) - np.take(sums, start, axis)
    else:  # slices are several times as fast as indices
        window = np.empty(planes.shape, np.float32)
        whole = 2 * radius + 1
        inner, first, last = (
            _part(axis, radius, length - radius), _part(axis, 0, radius), _part(axis, length - radius, None)
        )  # fmt: skip
        np.subtract(sums[_part(axis, whole, None)], sums[_part(axis, 0, length - 2 * radius)], out=window[inner])
        window[first] = sums[_part(axis, radius + 1, whole)]
        window[last] = sums[_part(axis, length, None)] - sums[_part(axis, length - 2 * radius, length - radius)]
    window *= (1 / (stop - start)).astype(np.float32).reshape([-1 if number == axis else 1 for number in range(3)])
    return window


def _part(axis: int, start: int, stop: int | None) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if number == axis else slice(None) for number in range(3))
