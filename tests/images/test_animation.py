from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fastnst.images.animation import is_animation
from fastnst.images.decode import open_picture

COLOURS = ("red", "lime", "blue")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_animations_are_known_by_their_content(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (32, 24), colour) for colour in COLOURS]
    frames[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=frames[1:], duration=80)
    frames[0].save(tmp_path / f"still.{suffix}")
    assert is_animation(tmp_path / f"moving.{suffix}")
    assert not is_animation(tmp_path / f"still.{suffix}")
    assert open_picture(tmp_path / f"moving.{suffix}").metadata.frames > 1
    assert open_picture(tmp_path / f"still.{suffix}").metadata.frames == 1


def test_pages_and_what_is_no_picture_are_no_animation(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (32, 24), colour) for colour in COLOURS]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    (tmp_path / "folder.gif").mkdir()
    for name in ("pages.tif", "broken.gif", "folder.gif", "missing.webp"):
        assert not is_animation(tmp_path / name)
