from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnst.runtime.imaging.filters import box_mean, enlarge

planes = st.tuples(st.integers(1, 3), st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1))


def random_planes(shape: tuple[int, int, int, int]) -> np.ndarray:
    *extents, seed = shape
    return np.random.default_rng(seed).random(extents).astype(np.float32)


def test_box_means_at_the_borders() -> None:
    plane = np.arange(20, dtype=np.float32).reshape(1, 4, 5)
    found = box_mean(plane, 1)
    assert found[0, 0, 0] == pytest.approx(np.mean([0, 1, 5, 6]))
    assert found[0, 2, 3] == pytest.approx(plane[0, 1:4, 2:5].mean())
    assert np.allclose(box_mean(plane, 7), plane.mean())


@settings(max_examples=60, deadline=None)
@given(planes, st.integers(0, 9))
def test_box_means_are_the_means_of_windows(shape: tuple[int, int, int, int], radius: int) -> None:
    values = random_planes(shape)
    found = box_mean(values, radius)
    assert found.dtype == np.float32
    for y in range(0, values.shape[1], 5):
        for x in range(0, values.shape[2], 5):
            window = values[:, max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            assert np.allclose(found[:, y, x], window.mean(axis=(1, 2)), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(planes, st.integers(1, 60), st.integers(1, 60))
def test_enlarging_stays_within_the_values_and_keeps_constants(
    shape: tuple[int, int, int, int], width: int, height: int
) -> None:
    plane = random_planes(shape)[0]
    found = enlarge(plane, (width, height))
    assert found.shape == (height, width)
    assert plane.min() - 1e-6 <= found.min() <= found.max() <= plane.max() + 1e-6
    assert np.allclose(enlarge(np.full_like(plane, 0.25), (width, height)), 0.25)
