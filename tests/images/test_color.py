from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from fastnst.images.color import is_srgb, srgb_profile
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_picture
from tests.images.files import SPACES, cmyk_profile, encoded_in, grey_profile, rgb_profile


def muted(photo: Image.Image) -> np.ndarray:
    """Pixels of a real photo; their colours lie inside all spaces."""
    return np.asarray(photo.resize((64, 75)))


@pytest.mark.parametrize("space", SPACES)
def test_a_photo_in_any_space_is_the_same_photo(tmp_path: Path, photo: Image.Image, space: str) -> None:
    pixels = muted(photo)
    Image.fromarray(encoded_in(space, pixels)).save(tmp_path / "a.png", icc_profile=rgb_profile(space))
    picture = open_picture(tmp_path / "a.png")
    difference = np.abs(np.asarray(picture.rgb, int) - pixels)
    assert difference.mean() < 1
    assert np.abs(encoded_in(space, pixels).astype(int) - pixels).mean() > 2  # the numbers alone are another picture
    save_picture(picture, tmp_path / "srgb.png")
    with Image.open(tmp_path / "srgb.png") as saved:
        assert is_srgb(saved.info["icc_profile"])
        assert np.array_equal(np.asarray(saved), np.asarray(picture.rgb))


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_results_in_the_photos_own_profile(tmp_path: Path, photo: Image.Image, suffix: str) -> None:
    numbers, profile = encoded_in("Adobe RGB", muted(photo)), rgb_profile("Adobe RGB")
    Image.fromarray(numbers).save(tmp_path / "a.png", icc_profile=profile)
    picture = open_picture(tmp_path / "a.png")
    save_picture(picture, tmp_path / f"b.{suffix}", profile="photo", quality=100)
    with Image.open(tmp_path / f"b.{suffix}") as saved:
        assert saved.info["icc_profile"] == profile
        assert np.abs(np.asarray(saved, int) - numbers).mean() < 1.5
    again = open_picture(tmp_path / f"b.{suffix}")
    assert np.abs(np.asarray(again.rgb, int) - np.asarray(picture.rgb, int)).mean() < 1.5


def test_srgb_profiles_change_no_number(photo: Image.Image, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_srgb(profile)
    assert is_srgb(srgb_profile())
    assert not any(is_srgb(rgb_profile(space)) for space in SPACES)
    photo.save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "a.png").rgb), np.asarray(photo))


def test_grey_of_another_gamma(tmp_path: Path) -> None:
    values = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=grey_profile(1.8))
    linear = (values / 255) ** 1.8
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    found = np.asarray(open_picture(tmp_path / "a.png").rgb, float)
    assert np.abs(found - expected[..., None]).max() < 4
    assert np.abs(found - values[..., None]).max() > 10


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_inks_are_shown_as_they_print(tmp_path: Path, suffix: str) -> None:
    """Without their profile inks are neon: full cyan would be (0, 255, 255)."""
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    cyan.save(tmp_path / f"a.{suffix}", icc_profile=cmyk_profile((60.0, -30.0, -35.0)))
    picture = open_picture(tmp_path / f"a.{suffix}")
    lab = ImageCms.profileToProfile(
        picture.rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    level, green, blue = lab.getpixel((8, 8))
    assert abs(level / 2.55 - 60) < 4
    assert abs(green - 128 - -30) < 8
    assert abs(blue - 128 - -35) < 8
    save_picture(picture, tmp_path / f"b.{suffix}", profile="photo")  # a profile of inks fits no RGB result
    with Image.open(tmp_path / f"b.{suffix}") as saved:
        assert is_srgb(saved.info["icc_profile"])


def test_profiles_that_fit_other_pixels_or_nothing_are_passed_over(tmp_path: Path, photo: Image.Image) -> None:
    for name, profile in (("grey", grey_profile(1.0)), ("junk", b"not a profile" * 40), ("cut", srgb_profile()[:200])):
        content = io.BytesIO()
        photo.save(content, "PNG", icc_profile=profile)
        picture = open_picture(io.BytesIO(content.getvalue()))
        assert np.array_equal(np.asarray(picture.rgb), np.asarray(photo)), name
        save_picture(picture, tmp_path / f"{name}.jpg", profile="photo")


def test_the_srgb_tag_is_the_same_on_every_day() -> None:
    assert srgb_profile()[24:36] == bytes((0x07, 0xCF, 0, 6, 0, 9, 0, 0, 0, 0, 0, 0))
