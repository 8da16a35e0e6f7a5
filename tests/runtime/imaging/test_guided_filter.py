from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fastnst.runtime.imaging.filters import enlarge
from fastnst.runtime.imaging.guided_filter import linear_coefficients, refine
from tests.matting_models import disc, scene


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 3]),
    st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    st.floats(-1, 1),
    st.integers(2, 4),  # with 1, a corner has four pixels for four unknowns, which float32 solves to a percent or so
    st.integers(0, 2**32 - 1),
)
def test_values_that_are_linear_in_the_guide_are_found_exactly(
    planes: int, slopes: list[float], offset: float, radius: int, seed: int
) -> None:
    guide = np.random.default_rng(seed).random((planes, 20, 24)).astype(np.float32)
    wanted = np.array(slopes[:planes])
    values = np.tensordot(wanted, guide, 1) + offset
    found, found_offset = linear_coefficients(guide, values, radius, 1e-9)
    assert np.allclose(found, wanted[:, None, None], atol=5e-3)
    assert np.allclose(found_offset, offset, atol=5e-3)


@pytest.mark.parametrize("planes", [1, 3])
def test_a_flat_guide_gives_the_mean(planes: int) -> None:
    values = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    slopes, offset = linear_coefficients(np.full((planes, 9, 9), 0.5, np.float32), values, 20, 1e-4)
    assert np.allclose(slopes, 0, atol=1e-3)
    assert np.allclose(offset, values.mean(), atol=1e-3)


def test_the_outline_goes_to_the_photos_edges() -> None:
    truth = disc(256, 320, soft=1)
    photo = np.asarray(Image.fromarray(scene(truth)))
    small_size = (80, 64)
    coarse = np.asarray(Image.fromarray(truth).resize(small_size, Image.Resampling.BOX))
    small = np.asarray(Image.fromarray(photo).resize(small_size, Image.Resampling.BOX))
    enlarged = np.abs(enlarge(coarse, (320, 256)) - truth).mean()
    for colour in (True, False):
        assert np.abs(refine(coarse, small, photo, colour=colour) - truth).mean() < 0.5 * enlarged


def test_texture_inside_a_person_does_not_show() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert (refine(np.ones((32, 32), np.float32), noise[::4, ::4], noise) == 1).all()
