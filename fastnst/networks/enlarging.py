"""Bilinear enlargement by two and the 3×3 convolution after it, as one convolution of the small map.

Each pixel of the large map is a fixed mixture of the small map's, so the pair is a convolution of the small map with
four times as many filters: one set for each of the four pixels that a small one becomes. As many multiplications, but
neither the enlarged map nor its padding is ever written to memory. (Shi et al. 2016, "Is the deconvolution layer the
same as a convolutional layer?", show it for other enlargements; nothing is learned for a sub-pixel alone here, so that
no grid can come from it.)
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

# Shares of a small map's pixels i-1, i, i+1 in what the three taps of pixel 2i (and 2i+1) meet on the large map.
_SHARES = (
    ((0.75, 0.25, 0.0), (0.25, 0.75, 0.0), (0.0, 0.75, 0.25)),
    ((0.25, 0.75, 0.0), (0.0, 0.75, 0.25), (0.0, 0.25, 0.75)),
)


def enlarging_mixture() -> Tensor:
    """`[9, 36]`: from the taps of a 3×3 filter to those of its four filters on the small map."""
    two, three = range(2), range(3)
    return torch.tensor(  # of numbers: for an `einsum` on the device "meta" torch would load its compiler, seconds
        [
            [_SHARES[p][k][a] * _SHARES[q][m][b] for p in two for q in two for a in three for b in three]
            for k in three
            for m in three
        ]
    )


def enlarging_filters(weight: Tensor, mixture: Tensor) -> Tensor:
    """A convolution's filters `[O, I, 3, 3]` as those on the small map, `[4 O, I, 3, 3]`, the four of each together."""
    out, into = weight.shape[:2]
    with torch.autocast(weight.device.type, enabled=False):  # or the mixture would be rounded
        mixed = weight.reshape(out * into, 9) @ mixture
    return mixed.view(out, into, 4, 3, 3).transpose(1, 2).reshape(4 * out, into, 3, 3)


def unmixed(filters: Tensor) -> Tensor:
    """The convolution's filters `[O, I, 3, 3]` of those on the small map: what `enlarging_filters` was given.

    Raises `ValueError` for what it does not give: another shape than `[4 O, I, 3, 3]`.
    """
    if filters.ndim != 4 or filters.shape[0] % 4 or filters.shape[2:] != (3, 3):
        raise ValueError(f"filters of the shape {list(filters.shape)}")
    out, into = filters.shape[0] // 4, filters.shape[1]
    mixed = filters.double().view(out, 4, into, 9).transpose(1, 2).reshape(out * into, 36)
    found: Tensor = mixed @ torch.linalg.pinv(enlarging_mixture().double())
    return found.view(out, into, 3, 3).to(filters.dtype)


def gathering_filters(weight: Tensor) -> Tensor:
    """A 3×3 convolution's filters `[O, I, 3, 3]` as those of one on the map whose pixels lie interleaved in channels.

    `[4 O, 4 I, 3, 3]`: `interleaved` of what it makes of x is the convolution of `interleaved(x)`.
    """
    out, into = weight.shape[:2]
    filters = weight.new_zeros((out, 2, 2, into, 2, 2, 3, 3))
    for p, q, k, n in product(range(2), range(2), range(3), range(3)):
        row, of_row = divmod(p + k - 1, 2)  # the small pixel that the tap meets, and which of its four
        column, of_column = divmod(q + n - 1, 2)
        filters[:, p, q, :, of_row, of_column, 1 + row, 1 + column] = weight[:, :, k, n]
    return filters.reshape(4 * out, 4 * into, 3, 3)


def ungathered(filters: Tensor) -> Tensor:
    """The convolution's filters `[O, I, 3, 3]`: what `gathering_filters` was given.

    Raises `ValueError` for another shape than `[4 O, 4 I, 3, 3]`.
    """
    if filters.ndim != 4 or filters.shape[0] % 4 or filters.shape[1] % 4 or filters.shape[2:] != (3, 3):
        raise ValueError(f"filters of the shape {list(filters.shape)}")
    parts = filters.view(filters.shape[0] // 4, 2, 2, filters.shape[1] // 4, 2, 2, 3, 3)[:, 0, 0]
    found = filters.new_empty((parts.shape[0], parts.shape[1], 3, 3))
    for k, n in product(range(3), range(3)):
        row, of_row = divmod(k - 1, 2)
        column, of_column = divmod(n - 1, 2)
        found[:, :, k, n] = parts[:, :, of_row, of_column, 1 + row, 1 + column]
    return found


def interleaved(x: Tensor) -> Tensor:
    """`F.pixel_shuffle(x, 2)` of `[N, 4 C, H, W]`, which keeps the channels_last layout."""
    if torch.compiler.is_exporting() or not x.is_cuda:
        return F.pixel_shuffle(x, 2)
    count, channels, height, width = x.shape
    parts = x.permute(0, 2, 3, 1).view(count, height, width, channels // 4, 2, 2)
    rows = parts.permute(0, 1, 4, 2, 5, 3).reshape(count, 2 * height, 2 * width, channels // 4)
    return rows.permute(0, 3, 1, 2)
