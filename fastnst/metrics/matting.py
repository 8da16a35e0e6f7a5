"""Errors of a matte against the true one, as the matting papers measure them. Plain numpy."""

from __future__ import annotations

import numpy as np

from fastnst.array_types import FloatArray

_SIGMA = 1.4  # of the gradient error (Rhemann et al. 2009, "A perceptually motivated online benchmark")


def measure(found: FloatArray, truth: FloatArray) -> dict[str, float]:
    """MSE, MAD, gradient error (mean a pixel, × 1000) and IoU at one half of two float mattes `[H, W]` in [0, 1]."""
    difference = found.astype(np.float64) - truth
    return {
        "mse": float(np.square(difference).mean()),
        "mad": float(np.abs(difference).mean()),
        "gradient": 1000 * gradient_error(found, truth),
        "iou": intersection_over_union(found, truth),
    }


def intersection_over_union(found: FloatArray, truth: FloatArray) -> float:
    """Of the regions above one half; 1 if both are empty."""
    one, other = found > 0.5, truth > 0.5
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def coverage(found: FloatArray, truth: FloatArray) -> float:
    """Share of the true matte that is found, 0 … 1; 1 if it is empty. What is found beside it does not count."""
    total = float(truth.sum())
    return float(np.minimum(found, truth).sum()) / total if total else 1.0


def gradient_error(found: FloatArray, truth: FloatArray) -> float:
    """Mean squared difference of the gradient magnitudes under a Gaussian derivative of sigma 1.4 (ibid.)."""
    return float(np.square(_gradient(found) - _gradient(truth)).mean())


def _gradient(alpha: FloatArray) -> FloatArray:
    offsets = np.arange(-5, 6)
    smooth = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    smooth /= smooth.sum()
    slope = -offsets / _SIGMA**2 * smooth
    along_x = _filtered(_filtered(alpha, slope, 1), smooth, 0)
    along_y = _filtered(_filtered(alpha, smooth, 1), slope, 0)
    magnitude: FloatArray = np.hypot(along_x, along_y)
    return magnitude


def _filtered(values: FloatArray, taps: FloatArray, axis: int) -> FloatArray:
    reach = len(taps) // 2
    padding = [(reach, reach) if one == axis else (0, 0) for one in (0, 1)]
    padded = np.pad(values.astype(np.float64), padding, mode="edge")
    length = values.shape[axis]
    shifted = (np.take(padded, range(start, start + length), axis) for start in range(len(taps)))
    return sum((tap * part for tap, part in zip(taps, shifted, strict=True)), np.zeros(values.shape))
