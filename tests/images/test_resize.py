from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.picture import Picture
from fastnst.images.resize import resize_long_side, resize_short_side
from tests.conftest import gradient


def test_floats_round_to_the_nearest_level() -> None:
    pixels = gradient(9, 7)
    assert np.array_equal(np.asarray(from_unit_floats(to_unit_floats(Image.fromarray(pixels)))), pixels)
    assert np.asarray(from_unit_floats(np.full((3, 1, 1), 0.6 / 255))).max() == 1  # truncation would give 0


def test_sides_are_scaled_with_the_aspect() -> None:
    image = Image.new("RGB", (200, 100))
    assert resize_long_side(image, 50).size == (50, 25)
    assert resize_short_side(image, 50).size == (100, 50)


def test_alpha_follows_the_size_of_new_pixels() -> None:
    picture = Picture(Image.new("RGB", (20, 10)), Image.new("L", (20, 10), 128))
    smaller = picture.with_pixels(Image.new("RGB", (10, 5))).alpha
    assert smaller is not None
    assert smaller.size == (10, 5)
