"""Numbers for what the eye calls a grid, a border or a blob."""

from __future__ import annotations

import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114])


def grid_energy(picture: np.ndarray, stride: int = 4) -> float:
    """Grid measure: the spectrum's peaks at the frequencies of a network's stride; 1 is without a grid.

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
    """Border measure: mean gradient within `width` pixels of the border over that of the rest.

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


def blob_share(picture: np.ndarray, photo: np.ndarray | None = None, side: int = 7, margin: int = 1) -> float:
    """The share of pixels in clipped areas as large as a blob, 0 to 1, where the photo is not clipped itself.

    A pixel is clipped where every channel stands at an end of its range: black, white, pure red and so on. Only areas
    that hold a square of `side` × `side` clipped pixels count (a morphological opening), so that highlights, outlines
    and single dots don't.

    Args:
        picture: uint8 RGB `[H, W, 3]`, both sides at least `side`.
        photo: what it was made from, of the same shape. Its own clipped pixels, and those within `side` pixels of
            them, are left out. None counts all.
        side: in pixels.
        margin: levels from 0 and 255 that count as clipped.
    """
    corners = (
        _box_sums(_clipped(picture, margin), side) == side**2
    )  # upper left pixels of squares that are clipped all over
    blobs = _box_sums(np.pad(corners, side - 1), side) > 0
    if photo is not None:
        blobs &= _box_sums(np.pad(_clipped(photo, margin), side), 2 * side + 1) == 0
    return float(blobs.mean())


def dark_and_light_share(painting: np.ndarray) -> float:
    """The share of a painting, uint8 RGB `[H, W, 3]`, in areas within 48 levels of clipping: what its blobs may be.

    A network overshoots where its painting is nearly black or white, and more so while it is young.
    """
    return blob_share(painting, margin=48)


def _clipped(picture: np.ndarray, margin: int) -> np.ndarray:
    return np.asarray(((picture <= margin) | (picture >= 255 - margin)).all(axis=-1))


def _box_sums(mask: np.ndarray, side: int) -> np.ndarray:
    """Number of set pixels in each `side` × `side` square: `[H - side + 1, W - side + 1]`."""
    sums = np.pad(mask.astype(np.int64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return np.asarray(sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side])
