from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from fastnst.images.color import is_srgb, to_srgb
from fastnst.images.decode import open_picture
from fastnst.images.implied_profile import ColourSpace, implied_profile, matrix_profile
from tests.conftest import gradient

PIXELS = gradient(20, 30)
D65 = (0.3127, 0.329)
SRGB = (D65, (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
DISPLAY_P3 = (D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(path: Path, *extra: bytes) -> Path:
    encoded = io.BytesIO()
    Image.fromarray(PIXELS).save(encoded, "PNG")
    content = encoded.getvalue()
    path.write_bytes(content[:33] + b"".join(extra) + content[33:])  # behind the header
    return path


def seen(path: Path) -> np.ndarray:
    return np.asarray(open_picture(path).rgb).astype(int)


def test_a_profile_of_srgbs_points_is_srgb_and_lcms_knows_it() -> None:
    profile = matrix_profile(ColourSpace(SRGB))
    assert is_srgb(profile)
    assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.version == pytest.approx(4.2)


def test_adobe_rgb_is_that_of_its_definition() -> None:
    """Adobe RGB (1998): a green of 1 is outside sRGB; greys follow the curve of 563/256."""
    adobe = matrix_profile(ColourSpace((D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256))
    pixels = np.array([[(255, 255, 255), (128, 128, 128), (0, 255, 0), (219, 0, 0)]], np.uint8)
    found = np.asarray(to_srgb(Image.fromarray(pixels), adobe)).astype(int)
    linear = (128 / 255) ** (563 / 256)
    grey = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(found[0, 1] - grey).max() <= 1
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 2].tolist() == [0, 255, 0]
    assert found[0, 3, 0] > 250  # sRGB has less red to give


@pytest.mark.parametrize("kind", ["R03", "R98"])
def test_a_cameras_adobe_rgb_is_read_without_a_profile(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[271] = "Maker"
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: kind}
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    picture = open_picture(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        plain = np.asarray(image).astype(int)
    found = np.asarray(picture.rgb).astype(int)
    assert (picture.metadata.icc is not None) == (kind == "R03")
    assert (np.abs(found - plain).mean() > 3) == (kind == "R03")


def test_png_that_names_display_p3_comes_out_as_with_its_profile(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png", icc_profile=matrix_profile(ColourSpace(DISPLAY_P3)))
    right = seen(tmp_path / "a.png")
    points = [round(100_000 * value) for point in DISPLAY_P3 for value in point]
    described = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cHRM", struct.pack(">8I", *points))
    assert np.array_equal(seen(png(tmp_path / "b.png", described)), right)
    assert np.array_equal(seen(png(tmp_path / "c.png", chunk(b"cICP", bytes((12, 13, 0, 1))))), right)
    assert np.abs(right - PIXELS).max() > 5


def test_linear_png_is_brightened(tmp_path: Path) -> None:
    found = seen(png(tmp_path / "a.png", chunk(b"gAMA", struct.pack(">I", 100_000))))
    linear = PIXELS / 255
    right = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(found - right).max() <= 1.5


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 100_000)),
        chunk(b"cICP", bytes((1, 13, 0, 1))),
        chunk(b"cICP", bytes((9, 16, 0, 1))),  # high dynamic range
        chunk(b"cICP", b"\x0c"),
        chunk(b"gAMA", bytes(4)),
        chunk(b"cHRM", bytes(32)),
    ],
)
def test_png_that_names_srgb_or_nonsense_stays_as_it_is(tmp_path: Path, extra: bytes) -> None:
    assert np.array_equal(seen(png(tmp_path / "a.png", extra)), PIXELS)


def test_code_points_of_avif(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.avif", quality=95)
    content = (tmp_path / "a.avif").read_bytes()
    at = content.index(b"colrnclx") + 8
    assert content[at : at + 2] == b"\0\x01"
    plain = seen(tmp_path / "a.avif")
    (tmp_path / "b.avif").write_bytes(content[:at] + b"\0\x0c" + content[at + 2 :])
    assert np.abs(seen(tmp_path / "b.avif") - plain).max() > 5


def test_a_profile_inside_jpeg_2000(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.jp2")
    content = (tmp_path / "a.jp2").read_bytes()
    profile = matrix_profile(ColourSpace(DISPLAY_P3))
    place, named = content.index(b"colr") - 4, 15  # where sRGB is named, and in how many bytes
    box = struct.pack(">I4s3B", len(profile) + 11, b"colr", 2, 0, 0) + profile
    content = content[:place] + box + content[place + named :]
    header = content.index(b"jp2h") - 4  # which holds the box
    (length,) = struct.unpack_from(">I", content, header)
    grown = struct.pack(">I", length + len(box) - named)
    (tmp_path / "a.jp2").write_bytes(content[:header] + grown + content[header + 4 :])
    Image.fromarray(PIXELS).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(seen(tmp_path / "a.jp2"), seen(tmp_path / "a.png"))


def test_streams_stay_where_they_are(tmp_path: Path) -> None:
    stream = io.BytesIO(png(tmp_path / "a.png", chunk(b"cICP", bytes((12, 13, 0, 1)))).read_bytes())
    with Image.open(stream) as image:
        place = stream.tell()
        assert implied_profile(image, stream) == matrix_profile(ColourSpace(DISPLAY_P3))
    assert stream.tell() == place
