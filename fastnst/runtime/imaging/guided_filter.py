"""Bring a coarse alpha matte to its photo's size with the photo's edges: the guided filter (He, Sun, Tang 2013).

Near a pixel the alpha is taken as a linear function of the photo's colours, found at the size at which the network
worked (He, Sun 2015, "Fast Guided Filter"). The published filter puts that function in the place of the matte, which
smooths what the network got right; here it only adds what the photo knows beyond the coarse matte's pixels, so that at
the network's own size the matte stays what it was. On true mattes reduced to a quarter this halves the gradient error
of plain enlarging, where the published form raises it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.array_types import FloatArray, FloatPlane, UInt8Image
from fastnst.runtime.imaging.filters import box_mean, enlarge

_RADIUS = 2  # pixels of the coarse matte
_EPSILON = 1e-4  # of squared brightness: smaller differences are not edges


def refine(coarse: FloatPlane, small: UInt8Image, photo: UInt8Image, *, colour: bool = True) -> FloatPlane:
    """The matte at the photo's size, its outline on the photo's edges.

    Args:
        coarse: float32 `[h, w]` in [0, 1].
        small: the photo at the same size, uint8 `[h, w, 3]`.
        photo: uint8 `[H, W, 3]`.
        colour: be guided by colours, not by brightness alone; several times as slow.

    Returns float32 `[H, W]` in [0, 1].
    """
    size = (photo.shape[1], photo.shape[0])
    refined = enlarge(coarse, size)
    if photo.shape == small.shape:
        return refined.clip(0, 1)
    guide, full = (_planes(pixels, colour) for pixels in (small, photo))
    slopes, _ = linear_coefficients(guide, coarse, _RADIUS, _EPSILON)
    for slope, coarse_plane, plane in zip(slopes, guide, full, strict=True):
        refined += enlarge(slope, size) * (plane - enlarge(coarse_plane, size))
    return refined.clip(0, 1)


def linear_coefficients(
    guide: FloatArray, values: FloatArray, radius: int, epsilon: float
) -> tuple[FloatPlane, FloatPlane]:
    """Slopes `[C, h, w]` and offset `[h, w]` with `values ≈ Σ slopes · guide + offset` around each pixel.

    `guide` is `[C, h, w]` with one or three planes; ibid., equations 5-6 for one and 19-20 for three.
    """
    count = len(guide)
    # Differences of large sums are taken below: they are exact enough only around 0.
    centre, level = guide.mean(axis=(1, 2), keepdims=True), values.mean()
    guide, values = guide - centre, values - level
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
    offset = level + mean_values - (slopes * (mean_guide + centre)).sum(axis=0)
    averaged = box_mean(np.concatenate((slopes, offset[None])), radius)
    return averaged[:-1], averaged[-1]


def _planes(pixels: UInt8Image, colour: bool) -> FloatPlane:
    if colour:
        return np.moveaxis(pixels, -1, 0).astype(np.float32) / np.float32(255)
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)[None] / np.float32(255)


def _solve_symmetric(a: dict[tuple[int, int], FloatPlane], b: FloatPlane) -> FloatPlane:
    """Solve the symmetric 3×3 system of each pixel by its cofactors."""
    xx, xy, xz, yy, yz, zz = (a[pair] for pair in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    cxx, cxy, cxz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    cyy, cyz, czz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * cxx + xy * cxy + xz * cxz
    solution: FloatPlane = np.stack(
        (
            cxx * b[0] + cxy * b[1] + cxz * b[2],
            cxy * b[0] + cyy * b[1] + cyz * b[2],
            cxz * b[0] + cyz * b[1] + czz * b[2],
        )
    ) / np.maximum(determinant, 1e-18)
    return solution
