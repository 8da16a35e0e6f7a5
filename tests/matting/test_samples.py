"""Training samples from pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.matting import samples
from fastnst.matting.pairs import PortraitPairs
from fastnst.matting.samples import clean_foreground, hang_clothes, make_sample, reduce_pair, soften
from tests.matting.test_crops import figure
from tests.matting_models import disc


@pytest.fixture
def standing(tmp_path: Path) -> PortraitPairs:
    """One red person who stands before blue."""
    for part in ("image", "matte"):
        (tmp_path / part).mkdir()
    matte = Image.fromarray(figure())
    red, blue = Image.new("RGB", matte.size, (200, 0, 0)), Image.new("RGB", matte.size, (0, 0, 200))
    Image.composite(red, blue, matte).save(tmp_path / "image" / "a.png")
    matte.save(tmp_path / "matte" / "a_alpha.png")
    return PortraitPairs(tmp_path)


def test_outlines_become_soft_and_old_backgrounds_vanish() -> None:
    matte = Image.fromarray(np.uint8(disc(100, 100, soft=0.1) > 0.5) * 255)
    soft = soften(matte, np.random.default_rng(0), tighten=0)
    assert ((soft > 0.1) & (soft < 0.9)).mean() > 0.02
    assert soft[50, 50] == 1
    assert soft[2, 2] == 0
    red_before_white = Image.composite(
        Image.new("RGB", (100, 100), "red"), Image.new("RGB", (100, 100), "white"), matte
    )
    cleaned = clean_foreground(red_before_white, matte)
    assert np.abs(cleaned[soft > 0.05] - (255, 0, 0)).max() < 16


@pytest.mark.parametrize("shape", [(40, 120), (120, 40), (64, 64)])
def test_whole_pictures_are_placed_on_an_empty_square(shape: tuple[int, int]) -> None:
    size = shape[::-1]
    for seed in range(30):
        image, matte = reduce_pair(
            Image.new("RGB", size, (200, 0, 0)), Image.new("L", size, 255), 96, np.random.default_rng(seed)
        )
        pixels, alpha = np.asarray(image), np.asarray(matte)
        assert pixels.shape == (96, 96, 3)
        assert alpha.shape == (96, 96)
        assert ((pixels[..., 0] > 100) == (alpha > 127)).all()
        rows = (alpha > 127).any(axis=1).sum()
        assert 0.39 * 96 <= rows <= 96


def test_clothes_have_no_heads(standing: PortraitPairs) -> None:
    found = []
    for seed in range(12):
        photo = Image.new("RGB", (96, 96))
        hang_clothes(photo, standing, np.random.default_rng(seed))
        cloth = np.asarray(photo)[..., 0] > 100
        found.append(cloth.mean())
        widths = cloth.sum(axis=1)
        if cloth.any() and not cloth[0].any():
            assert widths[np.flatnonzero(widths)[0] + 2] > 0.4 * widths.max()  # shoulders, not a head
    assert np.mean(found) > 0.1


def test_clothes_behind_nobody_are_nobody(standing: PortraitPairs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, share in (
        ("_CLOTHES_SHARE", 1.0),
        ("_EMPTY_SHARE", 1.0),
        ("_OTHER_BACKGROUND_SHARE", 1.0),
        ("_SECOND_PERSON_SHARE", 0.0),
    ):
        monkeypatch.setattr(samples, name, share)
    path = standing.pairs[0][0].with_name("behind.png")
    Image.new("RGB", (120, 120)).save(path)
    made = [make_sample(standing, [path], 0, 64, np.random.default_rng(seed)) for seed in range(8)]
    assert max(sample[3].max() for sample in made) == 0
    assert max(float(sample[0].mean()) for sample in made) > 10  # there is red cloth


def test_some_samples_lie_on_their_side(standing: PortraitPairs, monkeypatch: pytest.MonkeyPatch) -> None:
    upright = [make_sample(standing, [], 0, 64, np.random.default_rng(seed)) for seed in range(6)]
    monkeypatch.setattr(samples, "_SIDEWAYS_SHARE", 1.0)
    turned = [make_sample(standing, [], 0, 64, np.random.default_rng(seed)) for seed in range(6)]
    lies = [
        any(np.array_equal(one[3], np.rot90(other[3], turns)) for turns in (1, 3))
        for one, other in zip(turned, upright, strict=True)
    ]
    assert sum(lies) >= 4  # the others lay on their side before
