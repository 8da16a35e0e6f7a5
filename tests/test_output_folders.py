"""Files that appear together, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fastnst.errors import OutputError
from fastnst.output_files import FullDiskError
from fastnst.output_folders import write_folder


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def fill(place: Path) -> None:
    (place / "one").mkdir()
    (place / "one" / "a.txt").write_text("new")
    (place / "b.txt").write_text("new")


def test_all_files_appear_in_a_new_folder(tmp_path: Path) -> None:
    with write_folder(tmp_path / "some" / "where") as place:
        fill(place)
        assert not (tmp_path / "some").exists()
    assert names(tmp_path) == ["some/where/b.txt", "some/where/one/a.txt"]


def fail(place: Path, error: Exception) -> None:
    fill(place)
    raise error


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(FullDiskError, match=r"where cannot be written \(No space left"),
        write_folder(tmp_path / "where") as place,
    ):
        fail(place, full)
    with pytest.raises(KeyError), write_folder(tmp_path / "where") as place:
        fail(place, KeyError())
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_folder(tmp_path / "where"):
        (tmp_path / "nowhere").read_bytes()


def test_what_is_there_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("precious")
    (tmp_path / "other.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"b\.txt exists already"), write_folder(tmp_path) as place:
        fill(place)
    assert names(tmp_path) == ["b.txt", "other.txt"]
    with write_folder(tmp_path, overwrite=True) as place:
        fill(place)
    assert (tmp_path / "b.txt").read_text() == "new"
    assert (tmp_path / "other.txt").read_text() == "precious"
    assert names(tmp_path) == ["b.txt", "one/a.txt", "other.txt"]


def test_a_file_in_the_place_of_a_folder_is_found_before_anything_moves(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("precious")
    with pytest.raises(OutputError, match="cannot be written"), write_folder(tmp_path, overwrite=True) as place:
        fill(place)
    assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("kind", ["file", "below", "link"])
def test_places_that_are_no_folder(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    folder = tmp_path / ("file/x" if kind == "below" else kind)
    with pytest.raises(OutputError, match=r"name a(nother)? folder"), write_folder(folder):
        pytest.fail("was opened")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
