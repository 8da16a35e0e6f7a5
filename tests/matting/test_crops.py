"""Crops of portraits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnst.matting.crops import centred_square, find_head, head_square, random_close_up, random_square


def figure(height: int = 480, width: int = 320, head: int = 50) -> np.ndarray:
    """A standing person: a round head on a body that is three heads wide."""
    y, x = np.mgrid[0:height, 0:width]
    middle, top = width / 2, 30
    round_head = np.hypot(x - middle, y - top - head / 2) < head / 2
    body = (np.abs(x - middle) < 1.2 * head) & (y > top + head) & (y < top + 7 * head)
    return np.uint8(255) * (round_head | body).astype(np.uint8)


def inside(box: tuple[float, float, float, float], width: int, height: int) -> bool:
    left, top, right, bottom = box
    square = right - left == pytest.approx(bottom - top)
    return bool(left >= -1e-6 and top >= -1e-6 and right <= width + 1e-6 and bottom <= height + 1e-6 and square)


@pytest.mark.parametrize("size", [30, 50, 60])
def test_the_head_ends_at_the_shoulders(size: int) -> None:
    head = find_head(figure(head=size))
    assert head is not None
    assert abs(head.x - 160) < 2
    assert abs(head.y - (30 + size / 2)) < 0.35 * size
    assert 0.9 * size < head.size < 1.7 * size


def test_someone_beside_does_not_count() -> None:
    matte = figure()
    matte[200:, 300:] = 255
    assert find_head(matte) == find_head(figure())


def test_nobody_has_no_head() -> None:
    empty = np.zeros((50, 90), np.uint8)
    assert find_head(empty) is None
    assert head_square(empty, 2) is None
    assert inside(random_square(empty, np.random.default_rng(0)), 90, 50)
    assert inside(centred_square(empty, upper=True), 90, 50)


@pytest.mark.parametrize("heads", [1, 1.5, 3])
def test_squares_around_the_head(heads: float) -> None:
    box, head = head_square(figure(), heads), find_head(figure())
    assert box is not None
    assert head is not None
    assert inside(box, 320, 480)
    assert box[2] - box[0] == pytest.approx(heads * head.size)


def test_the_upper_body_begins_above_the_head() -> None:
    left, top, right, bottom = centred_square(figure(), upper=True)
    assert top < 30 < bottom < 300
    assert left < 160 < right


@settings(max_examples=80, deadline=None)
@given(st.integers(20, 200), st.integers(20, 200), st.integers(0, 2**32 - 1))
def test_random_squares_lie_inside_whatever_the_matte(height: int, width: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    matte = np.uint8(255) * (generator.random((height, width)) < generator.uniform(0.001, 0.9)).astype(np.uint8)
    assert inside(random_square(matte, generator), width, height)
    if matte.any():
        assert inside(random_close_up(matte, generator), width, height)


def test_close_ups_show_faces_that_fill_them() -> None:
    generator = np.random.default_rng(0)
    matte = figure()
    shares = []
    for _ in range(100):
        left, top, right, bottom = (int(edge) for edge in random_close_up(matte, generator))
        shares.append(matte[top:bottom, left:right].mean() / 255)
        assert right - left <= 150
    assert max(shares) > 0.85
    assert min(shares) > 0.1
