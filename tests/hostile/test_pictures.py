"""Pictures that are damaged or made to do harm: each opens, or is refused in one sentence; none does anything else."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from PIL import Image, ImageCms

from fastnst.errors import ImageError
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_picture
from fastnst.images.metadata import Metadata
from fastnst.images.picture import Picture
from tests.conftest import gradient
from tests.images.files import exif_block, jpeg_with_block, png

hostile = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WRITTEN = ("jpg", "png", "webp", "tif")
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000", "PPM", "LZW", "FAX", "PALETTE", "ALPHA")


@cache
def encoded(kind: str) -> bytes:
    image = Image.fromarray(gradient(24, 32))
    options: dict[str, object] = {}
    if kind in ("LZW", "FAX"):
        options = {"compression": "tiff_lzw" if kind == "LZW" else "group4"}
        image, kind = image.convert("1" if kind == "FAX" else "RGB"), "TIFF"
    elif kind == "PALETTE":
        image, kind = image.quantize(40), "PNG"
    elif kind == "ALPHA":
        image.putalpha(Image.fromarray(gradient(24, 32)[..., 0]))
        kind = "PNG"
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def opens_or_is_refused(content: bytes) -> Picture | None:
    picture, refusal = None, ""
    try:
        picture = open_picture(io.BytesIO(content))
    except ImageError as error:
        refusal = str(error)
    if picture is None:
        assert "\n" not in refusal
        assert 10 < len(refusal) < 400
        return None
    assert picture.rgb.mode == "RGB"
    assert picture.alpha is None or picture.alpha.size == picture.rgb.size
    return picture


@pytest.mark.parametrize("kind", KINDS)
@given(data=some.data())
@hostile
def test_damaged_bytes(kind: str, data: some.DataObject) -> None:
    content = bytearray(encoded(kind))
    for _ in range(data.draw(some.integers(0, 6))):
        place = data.draw(some.integers(0, len(content) - 1))
        content[place : place + data.draw(some.integers(0, 3))] = data.draw(some.binary(max_size=4))
    del content[data.draw(some.integers(8, len(content))) :]
    opens_or_is_refused(bytes(content))


TAGS = some.tuples(
    some.sampled_from(
        (270, 271, 274, 282, 283, 296, 305, 306, 315, 700, 33432, 33723, 34377, 34665, 34853, 37500, 59932)
    ),
    some.integers(0, 14),
    some.one_of(some.binary(max_size=40), some.integers(0, 65535)),
)


@given(tags=some.lists(TAGS, max_size=8), suffix=some.sampled_from(WRITTEN))
@hostile
def test_odd_tags_cost_themselves_and_not_the_picture(
    tmp_path: Path, tags: list[tuple[int, int, bytes | int]], suffix: str
) -> None:
    picture = opens_or_is_refused(jpeg_with_block(exif_block(tags)))
    assert picture is not None
    save_picture(picture, tmp_path / f"out.{suffix}", overwrite=True)
    assert set(open_picture(tmp_path / f"out.{suffix}").rgb.size) == {20, 30}


@given(block=some.binary(max_size=200), suffix=some.sampled_from(WRITTEN))
@hostile
def test_blocks_that_are_no_exif(tmp_path: Path, block: bytes, suffix: str) -> None:
    picture = opens_or_is_refused(jpeg_with_block(block))
    assert picture is not None
    save_picture(picture, tmp_path / f"out.{suffix}", overwrite=True)


@given(data=some.data(), suffix=some.sampled_from(WRITTEN))
@hostile
def test_damaged_profiles(tmp_path: Path, data: some.DataObject, suffix: str) -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for _ in range(data.draw(some.integers(0, 8))):
        profile[data.draw(some.integers(0, len(profile) - 1))] = data.draw(some.integers(0, 255))
    content = io.BytesIO()
    Image.fromarray(gradient(20, 30)).save(content, "PNG", icc_profile=bytes(profile))
    picture = opens_or_is_refused(content.getvalue())
    assert picture is not None
    save_picture(picture, tmp_path / f"out.{suffix}", overwrite=True)
    save_picture(picture, tmp_path / f"out.{suffix}", overwrite=True, profile="photo")


@given(
    xmp=some.binary(max_size=300),
    iptc=some.binary(max_size=300),
    comment=some.binary(max_size=300),
    texts=some.dictionaries(some.text(min_size=1, max_size=90), some.text(max_size=60), max_size=3),
    dpi=some.tuples(*[some.floats(allow_nan=True)] * 2),
    suffix=some.sampled_from(WRITTEN),
)
@hostile
def test_descriptions_of_any_bytes(tmp_path: Path, suffix: str, **carried: object) -> None:
    picture = Picture(Image.new("RGB", (16, 16)), metadata=Metadata(**carried))  # type: ignore[arg-type]
    save_picture(picture, tmp_path / f"out.{suffix}", overwrite=True)
    assert open_picture(tmp_path / f"out.{suffix}").rgb.size == (16, 16)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{ } loop showpage\n%%EOF\n",
        b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        b"\xd7\xcd\xc6\x9a" + bytes(60),  # a Windows metafile
        b"SIMPLE  =                    T" + bytes(200),
        png(50_000, 50_000, zlib.compress(bytes(1000))),
        png(0, 0, zlib.compress(b"")),
        png(2**31 - 1, 1, zlib.compress(bytes(10))),
        struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HHHIII", 1, 256, 4, 1, 64, 8),  # its own next
        bytes(100_000),
        b"",
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert opens_or_is_refused(content) is None


@pytest.mark.parametrize("write", [lambda path: path.symlink_to(path.name), lambda path: path.symlink_to("/dev/zero")])
def test_links_that_lead_nowhere_or_never_end(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "in.jpg"
    write(path)
    with pytest.raises(ImageError, match=r"cannot be opened|a pipe or a device"):
        open_picture(path)


def test_a_name_that_no_file_can_have() -> None:
    for name in ("x" * 5000, "a\0b.jpg"):
        with pytest.raises(ImageError, match="cannot be opened"):
            open_picture(name)
