from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.contact_sheet import contact_sheet
from fastnst.errors import ImageError, OutputError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.decode import open_image, open_picture
from fastnst.images.encode import save_image, save_picture
from fastnst.images.folders import find_images
from fastnst.images.picture import Picture
from fastnst.images.resize import resize_long_side, resize_short_side
from fastnst.output_files import check_output, write_atomically
from tests.conftest import gradient


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "RGB"])
def test_every_mode_opens_as_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(gradient(20, 30))
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "I;16") else "picture.png")
    sixteen_bits = Image.fromarray(gradient(20, 30)[..., 0].astype(np.uint16) * 257)
    (sixteen_bits if mode == "I;16" else image.convert(mode)).save(path)
    opened = open_image(path)
    assert (opened.mode, opened.size) == ("RGB", (30, 20))
    assert np.asarray(opened).std() > 30


def test_sixteen_bit_greyscale_keeps_its_levels(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 32896, np.uint16)).save(tmp_path / "grey.png")
    assert np.asarray(open_image(tmp_path / "grey.png")).max() in (127, 128)


def test_exif_orientation_is_applied_once(tmp_path: Path) -> None:
    image = Image.fromarray(gradient(20, 30))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    image.save(tmp_path / "turned.jpg", exif=exif)
    picture = open_picture(tmp_path / "turned.jpg")
    assert picture.rgb.size == (20, 30)
    save_picture(picture, tmp_path / "again.jpg")
    with Image.open(tmp_path / "again.jpg") as again:
        assert again.getexif()[0x010F] == "a camera"
    assert open_image(tmp_path / "again.jpg").size == (20, 30)


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


def test_opaque_alpha_is_no_alpha(tmp_path: Path) -> None:
    Image.fromarray(gradient(8, 8)).convert("RGBA").save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").alpha is None


def test_max_size_reduces_and_never_enlarges(tmp_path: Path) -> None:
    Image.fromarray(gradient(300, 200)).save(tmp_path / "a.jpg")
    assert open_image(tmp_path / "a.jpg", max_size=90).size == (60, 90)
    assert open_image(tmp_path / "a.jpg", max_size=900).size == (200, 300)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jpg", b"", r"is empty \(0 bytes\)"),
        ("text.jpg", b"this is a text", "is not a picture in a format"),
        ("missing.jpg", None, "cannot be opened .No such file"),
    ],
)
def test_no_picture_is_one_sentence(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=message):
        open_image(tmp_path / name)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder"):
        open_image(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_picture_is_refused(tmp_path: Path, photo: Image.Image, suffix: str) -> None:
    photo.save(tmp_path / f"whole.{suffix}")
    content = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"damaged or cut short|is not a picture"):
        open_image(tmp_path / f"cut.{suffix}")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (30000, 30000)).save(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match=r"30000×30000 pixels.*--allow-huge"):
        open_image(tmp_path / "bomb.png")


def test_an_existing_file_is_kept_without_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already: pass --overwrite"):
        save_image(Image.new("RGB", (4, 4)), path)
    assert path.read_bytes() == b"precious"
    save_image(Image.new("RGB", (4, 4)), path, overwrite=True)
    assert open_image(path).size == (4, 4)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(b"precious")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_image(Image.new("RGB", (4, 4)), path, overwrite=True)
    assert path.read_bytes() == b"precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.png"]


def test_a_bug_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with write_atomically(tmp_path / "new.bin") as partial:
            partial.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "file" / "a.png")
    with pytest.raises(OutputError, match="no picture suffix"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "a.xyz")
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path)


def test_find_images_recurses_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.webp", "sub/notes.txt", ".hidden/d.png", "sub/.e.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [str(path.relative_to(tmp_path)) for path in find_images([tmp_path])] == ["a.png", "b.JPG", "sub/c.webp"]


def test_floats_round_to_the_nearest_level() -> None:
    pixels = gradient(9, 7)
    assert np.array_equal(np.asarray(from_unit_floats(to_unit_floats(Image.fromarray(pixels)))), pixels)
    assert np.asarray(from_unit_floats(np.full((3, 1, 1), 0.6 / 255))).max() == 1  # truncation would give 0


def test_sides_are_scaled_with_the_aspect() -> None:
    image = Image.new("RGB", (200, 100))
    assert resize_long_side(image, 50).size == (50, 25)
    assert resize_short_side(image, 50).size == (100, 50)


def test_alpha_follows_the_size_of_new_pixels() -> None:
    picture = Picture(Image.new("RGB", (20, 10)), Image.new("L", (20, 10), 128))
    smaller = picture.with_pixels(Image.new("RGB", (10, 5))).alpha
    assert smaller is not None
    assert smaller.size == (10, 5)


def test_a_contact_sheet_holds_every_picture() -> None:
    red, blue = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (20, 40), "blue")
    sheet = contact_sheet(
        [[(red, "red"), (None, "nothing"), (blue, "a caption that is far too long for its cell")]], cell=64
    )
    colours = {colour for _, colour in sheet.getcolors(1 << 20) or []}
    assert {(255, 0, 0), (0, 0, 255), (255, 255, 255)} <= colours
    assert sheet.width > 3 * 64
