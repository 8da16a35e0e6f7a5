"""`Matting`, as Python callers use it."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import ConfigError, ImageError, ModelError
from fastnst.runtime.portrait.compositor import NoPersonError, Portrait, PortraitOptions
from fastnst.runtime.portrait.matting import Matting
from tests.matting_models import disc, scene, write_ours

TRUTH = disc(96, 120, soft=6)


@pytest.fixture
def matting(tmp_path: Path) -> Matting:
    """Finds what is red."""
    return Matting(write_ours(tmp_path / "m.onnx", reference_size=96), "cpu")


def test_photos_of_every_kind_give_the_same_matte(matting: Matting, tmp_path: Path) -> None:
    photo = Image.fromarray(scene(TRUTH))
    photo.save(tmp_path / "p.png")
    encoded = (tmp_path / "p.png").read_bytes()
    expected = matting(scene(TRUTH))
    assert (expected.dtype, expected.shape) == (np.float32, TRUTH.shape)
    assert np.abs(expected - TRUTH).mean() < 0.02
    for kind in (photo, tmp_path / "p.png", str(tmp_path / "p.png"), encoded, io.BytesIO(encoded)):
        assert np.array_equal(matting(kind), expected)
    assert matting(photo, max_size=60).shape == (48, 60)


def test_cutouts_and_composites(matting: Matting, tmp_path: Path) -> None:
    cutout = matting.cutout(scene(TRUTH))
    assert cutout.mode == "RGBA"
    assert cutout.getpixel((60, 48)) == (255, 0, 0, 255)
    assert cutout.getpixel((2, 2)) == (0, 0, 0, 0)
    Image.new("RGB", (20, 20), (9, 99, 199)).save(tmp_path / "b.png")
    for background, corner in (("#00ff00", (0, 255, 0)), (tmp_path / "b.png", (9, 99, 199)), ("blur", (0, 0, 255))):
        found = matting.composite(scene(TRUTH), background)
        assert found.getpixel((60, 48)) == (255, 0, 0)
        assert np.abs(np.subtract(found.getpixel((2, 2)), corner)).max() <= 2  # type: ignore[arg-type]


def test_what_it_refuses(matting: Matting, tmp_path: Path) -> None:
    nobody = Image.new("RGB", (64, 64), (3, 200, 200))
    assert matting(nobody).max() < 0.02
    with pytest.raises(NoPersonError, match="no person was found"):
        matting.cutout(nobody)
    with pytest.raises(NoPersonError, match="no person was found"):
        matting.composite(nobody, "blur")
    with pytest.raises(ConfigError, match="there is no background 'blurr'"):
        matting.composite(nobody, "blurr")
    with pytest.raises(ImageError, match="uint8"):
        matting(np.zeros((32, 32, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="does not exist"):
        Matting(tmp_path / "missing.onnx")


def test_threads_share_one_object(matting: Matting, tmp_path: Path) -> None:
    Image.new("RGB", (20, 30), (9, 99, 199)).save(tmp_path / "b.png")
    photos = [scene(disc(80 + 16 * size, 90 + 8 * size, soft=6)) for size in range(4)]
    portrait = Portrait(PortraitOptions("person", str(tmp_path / "b.png")), matting.model)
    alone = [(matting(photo), portrait(photo, 255 - photo)) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda photo: (matting(photo), portrait(photo, 255 - photo)), photos * 8))
    for (matte, picture), (expected_matte, expected) in zip(found, alone * 8, strict=True):
        assert np.array_equal(matte, expected_matte)
        assert np.array_equal(picture, expected)
