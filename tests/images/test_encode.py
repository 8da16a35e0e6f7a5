from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image, ImageCms

from fastnst.errors import ImageError, OutputError
from fastnst.images.decode import open_image, open_picture
from fastnst.images.encode import check_writable, save_image, save_pages, save_picture
from fastnst.images.metadata import Metadata
from fastnst.images.picture import Picture
from tests.conftest import gradient
from tests.images.files import IPTC, described


def test_alpha_and_profile_are_kept_where_the_format_has_them(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(gradient(20, 30)).convert("RGBA")
    image.putalpha(Image.fromarray(gradient(20, 30)[..., 0]))
    image.save(tmp_path / "in.png", icc_profile=profile)
    picture = open_picture(tmp_path / "in.png")
    save_picture(picture, tmp_path / "out.webp")
    save_picture(picture, tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.webp") as webp, Image.open(tmp_path / "out.jpg") as jpeg:
        assert webp.mode == "RGBA"
        assert jpeg.mode == "RGB"
        assert webp.info["icc_profile"] == jpeg.info["icc_profile"] == profile


def test_an_existing_file_is_kept_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already: pass --overwrite"):
        save_image(Image.new("RGB", (4, 4)), path)
    assert path.read_bytes() == b"precious"
    save_image(Image.new("RGB", (4, 4)), path, overwrite=True)
    assert open_image(path).size == (4, 4)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LAB", "YCbCr", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_of_any_kind_becomes_one_that_everything_opens(
    tmp_path: Path, mode: str, compression: str | None
) -> None:
    """Structural tags of the old file over new pixels gave files that opened as noise, or not at all."""
    if mode == "YCbCr" and compression is None and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 cannot read the file that it writes here")
    image = Image.fromarray(gradient(24, 32))
    if mode == "LAB":
        spaces = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
        image = ImageCms.profileToProfile(image, *spaces, outputMode="LAB")
    elif mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(gradient(24, 32)[..., 1]))
    image.convert(mode).save(tmp_path / "in.tif", compression=compression)
    picture = open_picture(tmp_path / "in.tif")
    save_picture(picture, tmp_path / "out.tif")
    expected = np.asarray(picture.rgb)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif")[..., :3], expected)
    with Image.open(tmp_path / "out.tif") as again:
        assert np.array_equal(np.asarray(again.convert("RGBA"))[..., :3], expected)
        assert set(again.tag_v2) <= {254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 338, 34675}


def test_descriptions_are_kept_from_format_to_format(tmp_path: Path) -> None:
    described(tmp_path / "in.jpg")
    for suffix in ("jpg", "png", "webp", "tif", "avif"):
        save_picture(open_picture(tmp_path / "in.jpg"), tmp_path / f"out.{suffix}")
        found = open_picture(tmp_path / f"out.{suffix}").metadata
        assert found.xmp is not None
        assert b'xmp:Rating="4"' in found.xmp
        assert b'tiff:Orientation="1"' in found.xmp
        assert found.exif is not None
        exif = Image.Exif()
        exif.load(found.exif)
        assert exif[0x010F] == "A Camera"
        assert exif[0x8298].encode("latin-1").decode() == "© Ämilie"
        assert exif.get_ifd(0x8769)[0x829A] == 0.004
        assert found.dpi == pytest.approx((300, 300), abs=0.01)
        if suffix in ("jpg", "tif"):
            assert found.iptc == IPTC
        if suffix in ("jpg", "png"):
            assert found.comment == b"hello"


@pytest.mark.parametrize(("unit", "right"), [(2, (118, 236)), (3, (299.72, 599.44)), (1, None)])
def test_the_resolution_of_exif_counts_where_a_jpeg_has_no_other(
    tmp_path: Path, unit: int, right: tuple[float, float] | None
) -> None:
    exif = Image.Exif()
    exif.update({282: 118.0, 283: 236.0, 296: unit})
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    found = open_picture(tmp_path / "a.jpg").metadata.dpi
    assert found == (right if right is None else pytest.approx(right))


def test_texts_of_a_png_are_kept(tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Beach")
    texts.add_itxt("Author", "Émilie")
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png", pnginfo=texts)
    save_picture(open_picture(tmp_path / "in.png"), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as again:
        assert again.text == {"Title": "Beach", "Author": "Émilie"}


def test_what_cannot_be_written_costs_itself_and_not_the_picture(tmp_path: Path) -> None:
    odd = Metadata(exif=b"Exif\0\0nonsense", xmp=bytes(100_000), comment=b"x" * 70_000, iptc=bytes(90_000))
    for suffix in ("jpg", "png", "webp", "tif", "avif"):
        save_picture(Picture(Image.new("RGB", (8, 8)), metadata=odd), tmp_path / f"a.{suffix}")
        assert open_picture(tmp_path / f"a.{suffix}").rgb.size == (8, 8)


@pytest.mark.parametrize(("suffix", "side"), [("webp", 16_384), ("jpg", 65_501)])
def test_sizes_that_a_format_cannot_hold_are_known_before(tmp_path: Path, suffix: str, side: int) -> None:
    with pytest.raises(ImageError, match=r"holds at most .* pixels a side, not .*: write .png or .tiff"):
        check_writable(tmp_path / f"a.{suffix}", (side, 4))
    save_image(Image.new("RGB", (side - 1, 4)), tmp_path / f"a.{suffix}")
    assert open_picture(tmp_path / f"a.{suffix}").rgb.width == side - 1


def test_pages_are_written_and_read(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    read = [open_picture(tmp_path / "in.tif", page=page) for page in range(3)]
    assert [picture.rgb.getpixel((3, 3)) for picture in read] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert {picture.metadata.pages for picture in read} == {3}
    save_pages(read, tmp_path / "out.tif")
    assert open_picture(tmp_path / "out.tif").metadata.pages == 3
    assert open_picture(tmp_path / "out.tif", page=2).rgb.getpixel((0, 0)) == (0, 0, 255)


def test_reduced_copies_are_no_pages(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(gradient(40, 60), photometric="rgb", metadata=None)
        writer.write(gradient(10, 15), photometric="rgb", metadata=None, subfiletype=1)
    assert open_picture(tmp_path / "a.tif").metadata.pages == 1
