"""Numbers for what the eye calls a grid, a border or a blob."""

from __future__ import annotations

import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114])


def grid_energy(picture: np.ndarray, stride: int = 4) -> float:
    """How much the spectrum sticks out at the frequencies of a network's stride; 1 is no grid at all.

    Uneven upsampling repeats with the stride, so its energy sits in the spectrum's rows and columns at multiples of
    1/stride (Odena et al. 2016 show the pattern; Durall et al. 2020 measure spectra of upsampled pictures). Here: the
    mean power at these frequencies over the median power of the bins near them, the largest over both directions.

    Args:
        picture: uint8 RGB `[H, W, 3]`, both sides at least 64.
    """
    luma = picture.astype(np.float64) @ _LUMA
    return max(_line_excess(luma, stride), _line_excess(luma.T, stride))


def _line_excess(luma: np.ndarray, stride: int) -> float:
    """Power of the average row spectrum at multiples of 1/stride over that of its neighbourhood."""
    width = luma.shape[1] // stride * stride
    window = np.hanning(width)
    power = (np.abs(np.fft.rfft((luma[:, :width] - luma.mean()) * window, axis=1)) ** 2).mean(axis=0)
    worst = 0.0
    for harmonic in range(1, stride // 2 + 1):
        centre = harmonic * width // stride
        near = [*range(centre - 12, centre - 3), *range(centre + 4, centre + 13)]
        neighbours = power[[index for index in near if 0 < index < len(power)]]
        worst = max(worst, float(power[max(1, centre - 1) : centre + 2].mean() / max(np.median(neighbours), 1e-9)))
    return worst


def border_energy(picture: np.ndarray, width: int = 8) -> float:
    """How much a frame stands out: mean gradient within `width` pixels of the border over that of the rest.

    About 1 for a picture without a border artifact; compare with the photo's own value.
    """
    luma = picture.astype(np.float64) @ _LUMA
    gradient = np.hypot(*np.gradient(luma))
    inside = np.zeros(gradient.shape, dtype=bool)
    inside[width:-width, width:-width] = True
    return float(gradient[~inside].mean() / max(gradient[inside].mean(), 1e-9))


def saturated_share(picture: np.ndarray) -> float:
    """The share of pixels at pure black or white in all channels: blobs and burnt areas."""
    return float(((picture <= 1).all(axis=-1) | (picture >= 254).all(axis=-1)).mean())
