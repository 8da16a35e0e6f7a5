from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from fastnst.errors import ImageError
from fastnst.images.decode import open_picture
from fastnst.images.raw import is_raw
from tests.conftest import gradient


def write_dng(path: Path, height: int = 120, width: int = 160) -> None:
    """A camera raw with a preview of 40×30 pixels first, as cameras write them: a mosaic of a grey ramp below it."""
    mosaic = np.tile(np.linspace(2000, 60_000, width).astype(np.uint16), (height, 1))
    identity = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            gradient(30, 40),
            photometric="rgb",
            subfiletype=1,
            subifds=1,
            metadata=None,
            extratags=[
                (50706, 1, 4, bytes((1, 4, 0, 0)), True),
                (50708, 2, 0, "fastnst test", True),
                (50721, 10, 9, tuple(identity), True),
                (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
                (50778, 3, 1, 21, True),
            ],
        )
        writer.write(
            mosaic,
            photometric=32803,
            subfiletype=0,
            metadata=None,
            extratags=[(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True)],
        )


def test_a_raw_is_developed_and_not_its_preview(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    for name in ("a.dng", "named_otherwise.tif"):
        write_dng(tmp_path / name)
        picture = open_picture(tmp_path / name)
        assert picture.rgb.size == (160, 120)
        brightness = np.asarray(picture.rgb, float).mean((0, 2))
        assert brightness[-20:].mean() > brightness[:20].mean() + 50
    assert open_picture(io.BytesIO((tmp_path / "a.dng").read_bytes())).rgb.size == (160, 120)
    assert open_picture(tmp_path / "a.dng", max_size=80).rgb.size == (80, 60)


def test_without_rawpy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "rawpy":
            raise ImportError(name)
        return find(name, *rest)

    write_dng(tmp_path / "a.dng")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImageError, match=r'a.dng is a camera raw: pip install "fastnst\[raw\]" develops it'):
        open_picture(tmp_path / "a.dng")


def test_a_damaged_raw_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rawpy")
    write_dng(tmp_path / "a.dng")
    (tmp_path / "a.dng").write_bytes((tmp_path / "a.dng").read_bytes()[:3000])
    with pytest.raises(ImageError, match=r"cannot be developed as a camera raw|damaged or cut short"):
        open_picture(tmp_path / "a.dng")
    assert capfd.readouterr().err == ""


def test_other_files_are_no_raws(tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "tif", "webp"):
        Image.fromarray(gradient(20, 30)).save(tmp_path / f"a.{suffix}")
        assert not is_raw(tmp_path / f"a.{suffix}")
    Image.fromarray(gradient(20, 30)).save(tmp_path / "phone.dng", "JPEG")  # phones name some files so
    assert not is_raw(tmp_path / "phone.dng")


def test_raws_of_more_pixels_than_pictures_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rawpy")
    write_dng(tmp_path / "a.dng")
    monkeypatch.setattr("fastnst.images.decode._MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(ImageError, match="has 160×120 pixels: pass --allow-huge if you trust it"):
        open_picture(tmp_path / "a.dng")
    assert open_picture(tmp_path / "a.dng", allow_huge=True).rgb.size == (160, 120)
