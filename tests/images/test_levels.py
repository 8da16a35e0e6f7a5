from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from fastnst.errors import ImageError
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


def test_floats_of_three_channels_are_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="pixels of a kind that cannot be read: save it as RGB with 8 or 16 bits"):
        opened(tmp_path, (gradient(20, 30) / 255).astype(np.float32), photometric="rgb")


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_colours_are_refused_with_a_reason(tmp_path: Path, kind: type[np.signedinteger[Any]]) -> None:
    with pytest.raises(ImageError, match=r"pixels of a kind that cannot be read|not a picture"):
        opened(tmp_path, gradient(20, 30).astype(kind), photometric="rgb")


def test_values_that_are_no_numbers_are_black(tmp_path: Path) -> None:
    values = np.array([[0, 0.5, 1, np.nan], [np.inf, 0, 0, 0]], np.float32)
    assert opened(tmp_path, values)[..., 0].tolist() == [[0, 128, 255, 0], [255, 0, 0, 0]]
