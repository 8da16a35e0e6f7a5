from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastnst.images.transparency import bleed
from tests.conftest import gradient


def veil(shape: str) -> Image.Image:
    y, x = np.mgrid[0:50, 0:70]
    inside = {"disc": np.hypot(y - 25, x - 35) < 15, "dot": (y == 3) & (x == 60), "half": x > 33}[shape]
    return Image.fromarray(inside.astype(np.uint8) * 255)


@pytest.mark.parametrize("shape", ["disc", "dot", "half"])
def test_hidden_colours_are_forgotten_and_visible_ones_stay(shape: str) -> None:
    alpha = veil(shape)
    seen = np.asarray(alpha) > 0
    filled = []
    for hidden in (0, 255):
        pixels = np.where(seen[..., None], gradient(50, 70), hidden).astype(np.uint8)
        filled.append(np.asarray(bleed(Image.fromarray(pixels), alpha)))
    assert np.array_equal(filled[0], filled[1])
    assert np.array_equal(filled[0][seen], gradient(50, 70)[seen])


def test_what_is_filled_in_looks_like_its_edge() -> None:
    pixels = np.where(np.arange(70)[None, :, None] > 33, (200, 90, 30), (0, 0, 0)).astype(np.uint8)
    filled = np.asarray(bleed(Image.fromarray(np.broadcast_to(pixels, (50, 70, 3)).copy()), veil("half")), int)
    assert np.abs(filled - (200, 90, 30)).max() <= 2


def test_nothing_visible_is_white() -> None:
    hidden = bleed(Image.fromarray(gradient(9, 9)), Image.new("L", (9, 9), 0))
    assert hidden.getcolors() == [(81, (255, 255, 255))]


def test_soft_edges_stay_as_they_are() -> None:
    alpha = Image.fromarray(np.tile(np.linspace(8, 255, 70).astype(np.uint8), (50, 1)))
    assert np.array_equal(np.asarray(bleed(Image.fromarray(gradient(50, 70)), alpha)), gradient(50, 70))
