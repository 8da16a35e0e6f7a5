from __future__ import annotations

import importlib.util
import lzma
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from fastnst.errors import ImageError
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_picture
from tests.conftest import gradient

PIXELS = gradient(20, 30)
FLOATS = (PIXELS / 255).astype(np.float32)
GREY = PIXELS[..., 0]
VEIL = np.full((20, 30), 128, np.uint8)


def write(path: Path, values: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, values, metadata=None, **options)
    return path


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("values", "note"),
    [
        (FLOATS, "float values of 0 to 1"),
        (FLOATS.astype(np.float16), "float values of 0 to 1"),
        (FLOATS.astype(np.float64), "float values of 0 to 1"),
        ((PIXELS * 128.498).astype(np.int16), "integer values of 0 to 32,767"),
        (PIXELS.astype(np.int16), "integer values of 0 to 255"),
        (PIXELS.astype(np.uint32) * 257, "integer values of 0 to 65,535"),
        (PIXELS.astype(np.uint32) * 16_843_009, "integer values of 0 to 4,294,967,295"),
    ],
)
def test_deep_colours_keep_their_levels(
    tmp_path: Path, values: np.ndarray, note: str, planar: bool, byteorder: str
) -> None:
    options: dict[str, Any] = {"photometric": "rgb", "byteorder": byteorder}
    if planar:
        values, options = np.moveaxis(values, -1, 0), {**options, "planarconfig": "separate"}
    picture = open_picture(write(tmp_path / "a.tif", values, **options))
    assert picture.metadata.notes == (note,)
    assert np.abs(np.asarray(picture.rgb).astype(int) - PIXELS).max() <= 1


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (65535 - GREY.astype(np.uint16) * 257, {"photometric": "miniswhite", "byteorder": ">"}),
        ((GREY / 255).astype(np.float64), {}),
        (GREY.astype(np.float16), {"byteorder": ">"}),
        (np.dstack((GREY, VEIL)).astype(np.uint16) * 257, {"extrasamples": ["unassalpha"], "planarconfig": "contig"}),
        (GREY, {"bigtiff": True, "byteorder": ">"}),
    ],
)
def test_grey_of_every_kind_keeps_its_levels(tmp_path: Path, values: np.ndarray, options: dict[str, Any]) -> None:
    picture = open_picture(write(tmp_path / "a.tif", values, **{"photometric": "minisblack", **options}))
    assert np.abs(np.asarray(picture.rgb).astype(int) - GREY[..., None]).max() <= 1
    assert (picture.alpha is not None) == ("extrasamples" in options)


def test_transparency_beside_floats_is_kept(tmp_path: Path) -> None:
    values = np.dstack((FLOATS, np.full((20, 30), 0.5, np.float32)))
    picture = open_picture(write(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"]))
    assert picture.alpha is not None
    assert picture.alpha.getextrema() == (128, 128)
    assert np.abs(np.asarray(picture.rgb).astype(int) - PIXELS).max() <= 1


def test_further_channels_beside_cmyk_are_left_out(tmp_path: Path) -> None:
    inks = np.asarray(Image.fromarray(PIXELS).convert("CMYK"))
    values = np.dstack((inks, VEIL))
    picture = open_picture(write(tmp_path / "a.tif", values, photometric="separated", extrasamples=["unassalpha"]))
    assert np.abs(np.asarray(picture.rgb).astype(int) - PIXELS).max() <= 1


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_planes_of_inks_of_sixteen_bits_are_not_mixed_up(tmp_path: Path, byteorder: str) -> None:
    inks = np.moveaxis(np.asarray(Image.fromarray(PIXELS).convert("CMYK")).astype(np.uint16) * 257, -1, 0)
    options = {"photometric": "separated", "planarconfig": "separate", "byteorder": byteorder}
    picture = open_picture(write(tmp_path / "a.tif", inks, **options))
    assert np.abs(np.asarray(picture.rgb).astype(int) - PIXELS).max() <= 1


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of integers of a number of bits each, the most significant first."""
    places = np.arange(bits - 1, -1, -1)
    return np.packbits((values[..., None] >> places & 1).reshape(len(values), -1), axis=1).tobytes()


def with_bits(path: Path, values: np.ndarray, bits: int) -> Path:
    """A TIFF of grey or RGB of any number of bits."""
    height, width, *channels = values.shape
    stored = packed(values.reshape(height, -1), bits)
    at = 8 + 2 + 12 * 9 + 4
    sizes = struct.pack("<3H", bits, bits, bits)
    shorts = {258: bits, 259: 1, 262: 2 if channels else 1, 277: 3 if channels else 1}
    entries = [(256, 3, 1, width), (257, 3, 1, height), *((tag, 3, 1, value) for tag, value in shorts.items())]
    if channels:
        entries[2] = (258, 3, 3, at)
    entries += [(273, 4, 1, at + len(sizes)), (278, 3, 1, height), (279, 4, 1, len(stored))]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    path.write_bytes(head + directory + bytes(4) + sizes + stored)
    return path


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("pixels", [PIXELS, GREY])
def test_bits_between_eight_and_sixteen_are_not_dark(tmp_path: Path, pixels: np.ndarray, bits: int) -> None:
    if bits != 12 or pixels.ndim == 3:  # grey of 12 bits is read by Pillow
        pytest.importorskip("imagecodecs")
    values = np.rint(pixels * ((2**bits - 1) / 255)).astype(np.uint16)
    picture = open_picture(with_bits(tmp_path / "a.tif", values, bits))
    assert picture.metadata.notes == (f"{bits} bits a channel",)
    assert np.abs(np.asarray(picture.rgb).astype(int) - (pixels if pixels.ndim == 3 else pixels[..., None])).max() <= 1


def test_a_package_that_is_missing_for_bits_is_not_called_damage(tmp_path: Path) -> None:
    if importlib.util.find_spec("imagecodecs"):
        pytest.skip("imagecodecs is here")
    with pytest.raises(ImageError, match=r'pip install "fastnst\[tiff\]"'):
        open_picture(with_bits(tmp_path / "a.tif", PIXELS.astype(np.uint16), 10))


def test_a_page_of_which_nothing_was_written_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as opened:
        opened.pages[0].tags["StripByteCounts"].overwrite(0)
    with pytest.raises(ImageError, match="damaged"):
        open_picture(path)


def test_profile_turn_resolution_and_descriptions_are_kept(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = [(274, 3, 1, 6, True), (315, 2, 0, "Hilma", True), (700, 1, 5, b"<xmp>", True)]
    path = write(
        tmp_path / "a.tif",
        FLOATS,
        photometric="rgb",
        iccprofile=profile,
        extratags=tags,
        resolution=(300, 150),
        resolutionunit="inch",
    )
    picture = open_picture(path)
    assert picture.rgb.size == (20, 30)
    assert picture.metadata.icc == profile
    assert picture.metadata.xmp == b"<xmp>"
    assert picture.metadata.dpi == (150, 300)
    save_picture(picture, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags["Artist"].value == "Hilma"


def test_texts_beyond_ascii_and_damaged_tags_do_not_cost_the_picture(tmp_path: Path) -> None:
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    tags = [(315, 2, 0, "Jörg Ünder".encode(), True), (700, 1, len(xmp), xmp, True)]
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb", extratags=tags)
    picture = open_picture(path)
    save_picture(picture, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags["Artist"].value == "Jörg Ünder"
    content = bytearray(path.read_bytes())
    at = content.index((315).to_bytes(2, "little") + (2).to_bytes(2, "little"))
    content[at + 2] = 12  # the text as floats of 64 bits
    path.write_bytes(content)
    damaged = open_picture(path)
    assert np.abs(np.asarray(damaged.rgb).astype(int) - PIXELS).max() <= 1
    assert damaged.metadata.xmp == picture.metadata.xmp == xmp


def test_a_damaged_resolution_does_not_cost_the_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb", resolution=(72, 72), resolutionunit=2)
    unit = (296).to_bytes(2, "little") + (3).to_bytes(2, "little")
    path.write_bytes(path.read_bytes().replace(unit, unit[:2] + (2).to_bytes(2, "little")))  # a text
    picture = open_picture(path)
    assert np.abs(np.asarray(picture.rgb).astype(int) - PIXELS).max() <= 1


def test_the_camera_s_block_beside_floats_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb", extratags=[(65000, 4, 1, 0, True)])
    content = path.read_bytes()
    entry, named = struct.pack("<HHII", 65000, 4, 1, 0), struct.pack("<HHII", 34665, 4, 1, len(content))
    number = struct.pack("<HHHIII", 1, 33437, 5, 1, len(content) + 18, 0) + struct.pack("<II", 28, 10)  # FNumber
    path.write_bytes(content.replace(entry, named) + number)
    save_picture(open_picture(path), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as saved:
        assert saved.getexif().get_ifd(34665)[33437] == pytest.approx(2.8)


def test_pages_of_which_pillow_opens_only_some(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PIXELS[::2, ::2], photometric="rgb", subfiletype=1)  # a preview, which is no page
        file.write(PIXELS, photometric="rgb")
        file.write(FLOATS, photometric="rgb")
        file.write(np.dstack((GREY, *[VEIL] * 6)), photometric="minisblack", planarconfig="contig")
        file.write(GREY, photometric="minisblack")
    pictures = [open_picture(tmp_path / "a.tif", page=page) for page in range(4)]
    assert [picture.metadata.pages for picture in pictures] == [4, 4, 4, 4]
    for picture, right in zip(pictures, (PIXELS, PIXELS, GREY[..., None], GREY[..., None]), strict=True):
        assert np.abs(np.asarray(picture.rgb).astype(int) - right).max() <= 1


def test_without_tifffile_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(ImageError, match=r'pip install "fastnst\[tiff\]" reads more, or save it as RGB with 8 or 16'):
        open_picture(path)
    cut = write(tmp_path / "cut.tif", PIXELS, photometric="rgb")
    cut.write_bytes(cut.read_bytes()[:-900])
    with pytest.raises(ImageError, match="damaged or cut short"):
        open_picture(cut)


def test_a_compression_that_needs_another_package_is_not_called_damage(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "a.tif", PIXELS, photometric="rgb").read_bytes())
    at = content.index((259).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    content[at + 8 : at + 10] = (50002).to_bytes(2, "little")  # JPEG XL
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match=r"fastnst\[tiff\]|damaged"):
        open_picture(tmp_path / "a.tif")


def test_damage_is_not_called_a_missing_package(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.tif", compression="tiff_lzw")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[0].dataoffsets[0] + 100
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[:place] + b"\xff" * 400 + content[place + 400 :])
    with pytest.raises(ImageError, match="damaged or cut short"):
        open_picture(tmp_path / "a.tif")


def test_too_many_pixels_and_damage_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb", rowsperstrip=1)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match=r"a\.tif is damaged or cut short"):
        open_picture(path)
    monkeypatch.setattr("fastnst.images.decode._MAX_PIXELS", 100)
    with pytest.raises(ImageError, match="30×20 pixels"):
        open_picture(write(tmp_path / "b.tif", FLOATS, photometric="rgb"))


@pytest.mark.parametrize(("tag", "value"), [(256, 0), (257, 0), (277, 65_535)])
def test_pages_without_pixels_or_with_too_many_channels_are_refused(
    tmp_path: Path, tag: int, value: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastnst.images.decode._MAX_PIXELS", 20 * 30)
    file = write(tmp_path / "a.tif", FLOATS, photometric="rgb")
    with tifffile.TiffFile(file, mode="r+") as opened:
        opened.pages[0].tags[tag].overwrite(value)  # width, height, samples a pixel
    with pytest.raises(ImageError, match=r"damaged or cut short|asks for"):
        open_picture(file)
    assert not capfd.readouterr().err


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_strips_that_unpack_to_more_than_their_pixels(compression: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FLOATS, photometric="rgb", compression=compression, rowsperstrip=20)
    assert open_picture(path).rgb.size == (30, 20)
    with tifffile.TiffFile(path) as file:
        counts = file.pages[0].tags["StripByteCounts"]
        places = file.pages[0].tags["StripOffsets"]
    packed = (zlib if compression == "zlib" else lzma).compress(bytes(40 * FLOATS.nbytes))
    content = bytearray(path.read_bytes())
    struct.pack_into("<HHII", content, counts.offset, counts.code, 4, 1, len(packed))
    struct.pack_into("<HHII", content, places.offset, places.code, 4, 1, len(content))
    path.write_bytes(content + packed)
    with pytest.raises(ImageError, match="it unpacks to more than its pixels"):
        open_picture(path)


def test_complex_numbers_are_no_colours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FLOATS.astype(np.complex64), photometric="rgb")
    with pytest.raises(ImageError, match="holds pixels of a kind that cannot be read"):
        open_picture(path)
