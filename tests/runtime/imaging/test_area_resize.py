from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnst.runtime.imaging.area_resize import area_resize


def test_area_resizing_keeps_what_each_pixel_covers() -> None:
    pixels = np.zeros((1, 6, 1), np.uint8)
    pixels[0, :, 0] = (0, 0, 90, 30, 60, 60)
    assert area_resize(pixels, 1, 4)[0, :, 0].tolist() == pytest.approx([0, 60, 40, 60])
    noise = np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    blocks = noise.reshape(8, 12, 10, 16, 3).mean(axis=(1, 3))
    assert np.abs(area_resize(noise, 8, 10) - blocks).max() < 1
    assert area_resize(noise, 200, 300).shape == (200, 300, 3)
    assert np.abs(area_resize(noise, 7, 5).mean() - noise.mean()) < 1.5


sizes = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_reducing_keeps_the_mean_and_nothing_leaves_the_range(
    height: int, width: int, new_height: int, new_width: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = area_resize(pixels, new_height, new_width)
    assert (found.shape, found.dtype) == ((new_height, new_width, 3), np.float32)
    assert pixels.min() - 1e-3 <= found.min() <= found.max() <= pixels.max() + 1e-3
    halves = max(width / new_width, height / new_height) < 8  # beyond, blocks are averaged first
    if new_height <= height and new_width <= width and halves:
        assert np.allclose(found.mean(axis=(0, 1)), pixels.mean(axis=(0, 1)), atol=0.01)


def test_the_same_size_is_the_same_picture() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    assert np.array_equal(area_resize(pixels, 13, 17), pixels)
