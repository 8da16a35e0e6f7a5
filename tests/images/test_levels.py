from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from fastnst.images.decode import open_image, open_picture
from tests.conftest import gradient


def test_sixteen_bit_greyscale_keeps_its_levels(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 32896, np.uint16)).save(tmp_path / "grey.png")
    assert np.asarray(open_image(tmp_path / "grey.png")).max() in (127, 128)


def opened(tmp_path: Path, values: np.ndarray, **options: Any) -> np.ndarray:
    tifffile.imwrite(tmp_path / "a.tif", values, metadata=None, **options)
    picture = open_picture(tmp_path / "a.tif")
    assert picture.metadata.notes
    return np.asarray(picture.rgb)


LEVELS = gradient(20, 30)[..., 0]


def test_a_dark_picture_of_sixteen_bits_stays_dark(tmp_path: Path) -> None:
    assert opened(tmp_path, np.full((20, 30), 200, np.uint16)).max() == 1
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "grey.png")
    assert np.asarray(open_picture(tmp_path / "grey.png").rgb).max() == 1


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (LEVELS.astype(np.uint16) * 257, {}),
        (LEVELS.astype(np.uint16) * 257, {"byteorder": ">"}),
        (65535 - LEVELS.astype(np.uint16) * 257, {"photometric": "miniswhite"}),
        (LEVELS.astype(np.uint32) * 16843009, {}),
        ((LEVELS / 255).astype(np.float32), {}),
        (LEVELS.astype(np.float32), {}),
        ((LEVELS / 255 - 0.5).astype(np.float32), {}),
        (LEVELS.astype(np.int16), {}),
        (LEVELS.astype(np.int32), {}),
        (LEVELS.astype(np.int32) * 257, {}),
        ((LEVELS * 128.498).astype(np.int16), {}),
        ((LEVELS * 128.498).astype(np.int16), {"byteorder": ">", "compression": "zlib"}),
        ((LEVELS / 255).astype(np.float32), {"byteorder": ">", "compression": "zlib"}),
        (LEVELS.astype(np.int32) * 257, {"byteorder": ">", "compression": "zlib"}),
        (LEVELS.astype(np.int16) * 16 - 1000, {}),
        ((LEVELS.astype(np.int16) - 128).astype(np.int8), {}),
        ((LEVELS / 2).astype(np.int8), {}),
    ],
)
def test_deep_grey_keeps_its_levels(tmp_path: Path, values: np.ndarray, options: dict[str, Any]) -> None:
    found = opened(tmp_path, values, **options)
    assert np.abs(found.astype(int) - LEVELS[..., None]).max() <= 1


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "zlib"}])
@pytest.mark.parametrize("planar", [False, True])
def test_sixteen_bits_of_colour_keep_their_levels(tmp_path: Path, options: dict[str, Any], planar: bool) -> None:
    pixels = gradient(20, 30)
    values = pixels.astype(np.uint16) * 257
    if planar:
        values, options = np.moveaxis(values, -1, 0), {**options, "planarconfig": "separate"}
    assert np.abs(opened(tmp_path, values, photometric="rgb", **options).astype(int) - pixels).max() <= 1


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_floats_beyond_one_here_and_there_are_cut_off(tmp_path: Path, byteorder: str) -> None:
    values = (LEVELS / 255).astype(np.float32)
    values[0, :3] = -0.02, 1.6, 40  # what sharpening and lamps add
    found = opened(tmp_path, values, byteorder=byteorder)[..., 0].astype(int)
    assert found[0, :3].tolist() == [0, 255, 255]
    assert np.abs(found - LEVELS)[1:].max() <= 1


def test_a_scene_brighter_than_one_keeps_its_lights_apart(tmp_path: Path) -> None:
    found = opened(tmp_path, (LEVELS / 255 * 8).astype(np.float32))[..., 0].astype(int)
    assert np.abs(found - LEVELS).max() <= 6


def test_values_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    values = np.array([[0, 0.5, 1, np.nan], [np.inf, 0, 0, 0]], np.float32)
    assert opened(tmp_path, values)[..., 0].tolist() == [[0, 128, 255, 0], [255, 0, 0, 0]]


def test_numbers_that_contain_16_are_not_taken_for_its_bits(tmp_path: Path) -> None:
    """A bitmap of 16 bits for a whole pixel, and a JPEG 2000 whose length has these digits."""
    bitmap = struct.pack("<2sIII IiiHHIIIIII", b"BM", 0, 0, 54, 40, 4, 4, 1, 16, 0, 32, 0, 0, 0, 0) + bytes(32)
    (tmp_path / "a.bmp").write_bytes(bitmap)
    assert open_picture(tmp_path / "a.bmp").metadata.notes == ()
    Image.fromarray(gradient(20, 30)).save(tmp_path / "a.jp2")
    content = (tmp_path / "a.jp2").read_bytes()
    (tmp_path / "a.jp2").write_bytes(content + bytes(1616 - len(content) % 1616))
    assert open_picture(tmp_path / "a.jp2").metadata.notes == ()


def test_sixteen_bits_of_a_ppm_are_told(tmp_path: Path) -> None:
    values = gradient(4, 4).astype(">u2") * 257
    (tmp_path / "a.ppm").write_bytes(b"P6 4 4 65535\n" + values.tobytes())
    picture = open_picture(tmp_path / "a.ppm")
    assert picture.metadata.notes == ("16 bits a channel",)
    assert np.array_equal(np.asarray(picture.rgb), gradient(4, 4))
