from __future__ import annotations

from pathlib import Path

import pytest

from fastnst.images import folders, formats
from fastnst.images.folders import find_images, search


def test_find_images_recurses_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.webp", "sub/notes.txt", ".hidden/d.png", "sub/.e.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [str(path.relative_to(tmp_path)) for path in find_images([tmp_path])] == ["a.png", "b.JPG", "sub/c.webp"]


def test_what_cannot_be_read_is_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "HAS_HEIF", False)
    monkeypatch.setattr(formats, "HAS_RAW", False)
    monkeypatch.setattr(folders, "READABLE", (".jpg", ".jfif", ".jpe", ".avif"))
    for name in ("a.jpg", "b.jfif", "c.JPE", "d.avif", "1.HEIC", "2.heic", "3.nef", "notes.txt", "art.svg"):
        (tmp_path / name).touch()
    found = search([tmp_path])
    assert [path.name for path in found.pictures] == ["a.jpg", "b.jfif", "c.JPE", "d.avif"]
    assert found.sentences() == [
        '2 HEIC photos left out: pip install "fastnst[heic]".',
        "1 SVG file left out: save it as PNG or JPEG first.",
        '1 camera raw photo left out: pip install "fastnst[raw]".',
    ]


def test_a_folder_inside_can_be_left_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "out/b.jpg", "sub/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in search([tmp_path], without=[tmp_path / "out"]).pictures] == ["a.jpg", "c.jpg"]
