from __future__ import annotations

import numpy as np
import pytest

from fastnst.errors import ConfigError
from fastnst.runtime.portrait.compositing import (
    blurred_background,
    composite,
    estimate_foreground,
    to_linear,
    to_srgb,
)
from fastnst.runtime.portrait.compositor import mixed, parse_color
from tests.conftest import gradient
from tests.matting_models import disc


def plain(color: tuple[int, int, int], height: int = 96, width: int = 120) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3)).copy()


def over(foreground: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A photo of someone before something, as light mixes on a sensor."""
    share = alpha[..., None]
    return to_srgb(share * to_linear(foreground) + (1 - share) * to_linear(background))


def test_srgb_and_back_is_exact() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_srgb(to_linear(levels)), levels)
    assert to_linear(np.array([0, 255])).tolist() == [0, 1]
    # Half the light of white is level 188, not 128 (IEC 61966-2-1).
    assert int(to_srgb(np.array([0.5]))[0]) == 188


def test_composites_are_made_in_linear_light() -> None:
    alpha = np.full((4, 5), 0.5, np.float32)
    found = composite(plain((255, 255, 255), 4, 5), plain((0, 0, 0), 4, 5), alpha)
    assert (found == 188).all()
    sure = np.zeros((4, 5), np.float32)
    sure[:2] = 1
    found = composite(plain((9, 8, 7), 4, 5), plain((1, 2, 3), 4, 5), sure)
    assert found[0, 0].tolist() == [9, 8, 7]
    assert found[3, 0].tolist() == [1, 2, 3]


def test_plain_colours_are_told_apart_on_the_outline() -> None:
    alpha = disc(96, 120, soft=8)
    red, blue = plain((220, 30, 30)), plain((20, 40, 200))
    layers = estimate_foreground(over(red, blue, alpha), alpha)
    inside, outside = alpha > 0.05, alpha < 0.95
    assert np.abs(to_linear(layers.foreground[inside]) - to_linear(red[inside])).max() < 0.03
    assert np.abs(to_linear(layers.background[outside]) - to_linear(blue[outside])).max() < 0.03


def test_a_person_before_another_background_has_no_halo() -> None:
    alpha = disc(96, 120, soft=8)
    dark, white, other = plain((40, 30, 25)), plain((250, 250, 250)), plain((30, 60, 40))
    photo = over(dark, white, alpha)
    wanted = over(dark, other, alpha).astype(int)
    found = composite(estimate_foreground(photo, alpha).foreground, other, alpha)
    naive = composite(photo, other, alpha)
    assert np.abs(found - wanted).max() <= 8
    assert np.abs(naive - wanted).max() > 60


def test_the_same_background_gives_the_photo_back() -> None:
    alpha = disc(96, 120, soft=8)
    photo = over(gradient(96, 120), gradient(96, 120)[::-1, ::-1], alpha)
    layers = estimate_foreground(photo, alpha)
    assert np.abs(composite(*layers, alpha).astype(int) - photo).mean() < 0.5


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_matte_without_an_outline(value: float) -> None:
    photo = gradient(40, 50)
    alpha = np.full((40, 50), value, np.float32)
    layers = estimate_foreground(photo, alpha)
    assert np.array_equal(layers.foreground, photo)
    assert np.array_equal(layers.background, photo)
    assert blurred_background(photo, alpha).shape == photo.shape


def test_people_do_not_bleed_into_a_blurred_background() -> None:
    alpha = disc(96, 120, soft=4)
    photo = over(plain((255, 0, 0)), plain((0, 0, 90)), alpha)
    blurred = blurred_background(photo, alpha)
    assert blurred[..., 0].max() < 40
    assert blurred[48, 60, 2] > 70  # also behind the middle of the person


def test_colours() -> None:
    assert parse_color("#20aF60") == (32, 175, 96)
    assert mixed(plain((100, 0, 200)), (200, 100, 0), 0.25)[0, 0].tolist() == [125, 25, 150]
    for text in ("red", "#fff", "#12345g"):
        with pytest.raises(ConfigError, match="is not a colour"):
            parse_color(text)
