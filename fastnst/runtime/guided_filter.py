"""Fit a coarse alpha matte to the edges of its photo: the guided filter (He, Sun, Tang 2013), in its fast form.

Near a pixel the alpha is taken as a linear function of the photo's colours. The functions are found at the size at
which the network worked, brought to the photo's size and applied there (He, Sun 2015, "Fast Guided Filter"), so that
the cost hardly grows with the photo.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

_RADIUS_SHARE = 1 / 64  # of the coarse matte's short side
_EPSILON = 1e-4  # of squared brightness: smaller differences are no edges
_UNCERTAIN = 0.02  # an alpha this far from 0 and 1 is in doubt


def refine(coarse: np.ndarray, small: np.ndarray, photo: np.ndarray, *, colour: bool = True) -> np.ndarray:
    """The matte at the photo's size, its outline on the photo's edges.

    Where the coarse matte is sure, inside people and far from them, it is kept: texture there must not show.

    Args:
        coarse: float32 `[h, w]` in [0, 1].
        small: the photo at the same size, uint8 `[h, w, 3]`.
        photo: uint8 `[H, W, 3]`.
        colour: be guided by colours, not by brightness alone; three times as slow.

    Returns float32 `[H, W]` in [0, 1].
    """
    guide, full = (_planes(pixels, colour) for pixels in (small, photo))
    radius = max(2, round(min(coarse.shape) * _RADIUS_SHARE))
    slopes, offset = linear_coefficients(guide, coarse, radius, _EPSILON)
    size = (photo.shape[1], photo.shape[0])
    refined = enlarge(offset, size)
    for slope, plane in zip(slopes, full, strict=True):
        refined += enlarge(slope, size) * plane
    doubt = enlarge(doubtful(coarse, radius), size)
    smooth = enlarge(coarse, size)
    blended: np.ndarray = np.clip(smooth + doubt * (np.clip(refined, 0, 1) - smooth), 0, 1)
    return blended


def linear_coefficients(
    guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes `[C, h, w]` and offset `[h, w]` with `values ≈ Σ slopes · guide + offset` around each pixel.

    `guide` is `[C, h, w]` with one or three planes; ibid., equations 5-6 for one and 19-20 for three.
    """
    count = len(guide)
    pairs = [(i, j) for i in range(count) for j in range(i, count)]
    products = np.stack([guide[i] * guide[j] for i, j in pairs])
    stacked = np.concatenate((guide, values[None], guide * values, products))
    means = box_mean(stacked, radius)
    mean_guide, mean_values = means[:count], means[count]
    covariance = means[count + 1 : 2 * count + 1] - mean_guide * mean_values
    moments = means[2 * count + 1 :]
    variance = {
        pair: moment - mean_guide[pair[0]] * mean_guide[pair[1]] + (epsilon if pair[0] == pair[1] else 0)
        for pair, moment in zip(pairs, moments, strict=True)
    }
    slopes = covariance / variance[0, 0] if count == 1 else _solve_symmetric(variance, covariance)
    offset = mean_values - (slopes * mean_guide).sum(axis=0)
    averaged = box_mean(np.concatenate((slopes, offset[None])), radius)
    return averaged[:-1].astype(np.float32), averaged[-1].astype(np.float32)


def box_mean(planes: np.ndarray, radius: int) -> np.ndarray:
    """The mean over the (2r+1)² pixels around each one, fewer at the borders, of planes `[C, h, w]`; float64.

    By running sums, so that the radius costs nothing.
    """
    for axis in (1, 2):
        planes = _running_mean(planes, radius, axis)
    return planes


def enlarge(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A float plane `[h, w]` at `size` (width, height), bilinear (averaging where it gets smaller), float32."""
    if plane.shape == size[::-1]:
        return plane.astype(np.float32)
    resized = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.array(resized)


def doubtful(alpha: np.ndarray, radius: int) -> np.ndarray:
    """How much a pixel lies near the outline, in [0, 1]: 1 around alphas in doubt, falling off over `radius` pixels."""
    uncertain = ((alpha > _UNCERTAIN) & (alpha < 1 - _UNCERTAIN)).astype(np.float32)
    near: np.ndarray = np.clip(box_mean(uncertain[None], radius)[0] * (radius + 1), 0, 1)
    return near


def _planes(pixels: np.ndarray, colour: bool) -> np.ndarray:
    if colour:
        return np.moveaxis(pixels, -1, 0).astype(np.float32) / 255
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[None] / 255


def _running_mean(planes: np.ndarray, radius: int, axis: int) -> np.ndarray:
    length = planes.shape[axis]
    sums = np.cumsum(planes, axis=axis, dtype=np.float64)
    last = np.minimum(np.arange(length) + radius, length - 1)
    before = np.arange(length) - radius - 1
    inside = before >= 0
    window = np.take(sums, last, axis=axis)
    index = [slice(None)] * 3
    index[axis] = slice(int(np.count_nonzero(~inside)), None)
    window[tuple(index)] -= np.take(sums, before[inside], axis=axis)
    shape = [1, 1, 1]
    shape[axis] = length
    mean: np.ndarray = window / (last - np.maximum(before, -1)).reshape(shape)
    return mean


def _solve_symmetric(a: dict[tuple[int, int], np.ndarray], b: np.ndarray) -> np.ndarray:
    """Solve the symmetric 3×3 system of each pixel by its cofactors."""
    xx, xy, xz, yy, yz, zz = (a[pair] for pair in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    cxx, cxy, cxz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    cyy, cyz, czz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * cxx + xy * cxy + xz * cxz
    solution: np.ndarray = np.stack(
        (
            cxx * b[0] + cxy * b[1] + cxz * b[2],
            cxy * b[0] + cyy * b[1] + cyz * b[2],
            cxz * b[0] + cyz * b[1] + czz * b[2],
        )
    ) / np.maximum(determinant, 1e-18)
    return solution
