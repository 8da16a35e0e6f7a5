from __future__ import annotations

import logging
import os
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fastnst.errors import ImageError
from fastnst.images import formats
from fastnst.images.decode import open_image, open_picture
from fastnst.images.encode import save_picture
from tests.conftest import gradient
from tests.images.files import jpeg_with_exif, png


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "RGB"])
def test_every_mode_opens_as_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(gradient(20, 30))
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "I;16") else "picture.png")
    sixteen_bits = Image.fromarray(gradient(20, 30)[..., 0].astype(np.uint16) * 257)
    (sixteen_bits if mode == "I;16" else image.convert(mode)).save(path)
    opened = open_image(path)
    assert (opened.mode, opened.size) == ("RGB", (30, 20))
    assert np.asarray(opened).std() > 30


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


def test_a_psd_of_sixteen_bits_is_not_called_damaged(tmp_path: Path) -> None:
    header = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 16, 3) + bytes(12)
    (tmp_path / "a.psd").write_bytes(header + bytes(2 + 3 * 8 * 8 * 2))
    with pytest.raises(ImageError, match="pixels of a kind that cannot be read: save it as RGB with 8 or 16 bits"):
        open_picture(tmp_path / "a.psd")


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
    (tmp_path / "bomb.png").write_bytes(png(30_000, 30_000, b""))
    with pytest.raises(ImageError, match=r"30000×30000 pixels.*--allow-huge"):
        open_image(tmp_path / "bomb.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="a pipe or a device holds no picture"):
        open_image(tmp_path / "pipe.jpg")


def test_postscript_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    ran = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: ran.append(1))
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\n"
    (tmp_path / "in.jpg").write_bytes(head + b"(owned) (w) file showpage\n%%EOF\n")
    with pytest.raises(ImageError, match="is not a picture in a format that can be read"):
        open_image(tmp_path / "in.jpg")
    assert ran == []


def test_six_threads_leave_the_process_as_it_was(tmp_path: Path, photo: Image.Image) -> None:
    """Pillow's limit of pixels and the warnings' filters belong to the whole process."""
    photo.resize((200, 150)).save(tmp_path / "a.jpg")
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters), logging.getLogger("PIL").level)
    with ThreadPoolExecutor(6) as pool:
        sizes = list(pool.map(lambda _: open_image(tmp_path / "a.jpg").size, range(60)))
    assert sizes == [(200, 150)] * 60
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters), logging.getLogger("PIL").level) == before


def test_libraries_do_not_talk_beside_our_sentence(tmp_path: Path, photo: Image.Image) -> None:
    photo.resize((64, 64)).save(tmp_path / "a.tif", compression="tiff_lzw")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[:200] + bytes(1000) + content[1200:])
    script = (
        "import logging, sys; logging.basicConfig(level=logging.WARNING)\n"
        "from fastnst.errors import ImageError\nfrom fastnst.images.decode import open_image\n"
        "try: open_image(sys.argv[1])\nexcept ImageError as error: sys.stderr.write('one sentence')\n"
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path / "a.tif"], capture_output=True, text=True, check=True)
    assert run.stderr == "one sentence"


def test_a_profile_that_pillow_refuses_does_not_cost_the_picture(tmp_path: Path, photo: Image.Image) -> None:
    """A PNG's profile of two megabytes, and a checksum that is wrong."""
    photo.resize((40, 30)).save(tmp_path / "big.png", icc_profile=np.random.default_rng(0).bytes(2 << 20))
    assert open_picture(tmp_path / "big.png").rgb.size == (40, 30)
    photo.resize((40, 30)).save(tmp_path / "wrong.png", dpi=(300, 300))
    content = bytearray((tmp_path / "wrong.png").read_bytes())
    content[content.index(b"pHYs") + 13] ^= 255
    (tmp_path / "wrong.png").write_bytes(content)
    assert open_picture(tmp_path / "wrong.png").rgb.size == (40, 30)


def test_a_resolution_of_the_wrong_type_does_not_cost_the_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(
        jpeg_with_exif([(0x011A, 2, b"seventy-two\0"), (0x0128, 3, 2), (0x010F, 2, b"Cam\0")])
    )
    picture = open_picture(tmp_path / "a.jpg")
    save_picture(picture, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as again:
        assert again.getexif()[0x010F] == "Cam"


@pytest.mark.parametrize("method", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_every_orientation_is_turned_upright(tmp_path: Path, method: int, suffix: str) -> None:
    upright = Image.fromarray(gradient(24, 36))
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(method, method)
    turned = ImageOps.exif_transpose(with_orientation(upright, back))
    exif = Image.Exif()
    exif[0x0112] = method
    turned.save(tmp_path / f"a.{suffix}", exif=exif, **({"quality": 100, "subsampling": 0} if suffix == "jpg" else {}))
    found = np.asarray(open_picture(tmp_path / f"a.{suffix}").rgb, int)
    assert found.shape == (24, 36, 3)
    assert np.abs(found - np.asarray(upright, int)).max() <= (12 if suffix == "jpg" else 0)


def with_orientation(image: Image.Image, method: int) -> Image.Image:
    marked = image.copy()
    marked.getexif()[0x0112] = method
    return marked


def test_a_missing_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnst.images import _pillow

    monkeypatch.setattr(formats, "HAS_HEIF", False)
    monkeypatch.setattr(_pillow, "OPENED", ("JPEG", "PNG"))
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(ImageError, match=r'phone.heic is a HEIC photo, .* pip install "fastnst\[heic\]"'):
        open_image(tmp_path / "phone.heic")
