from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from PIL import Image

from fastnst.errors import OutputError
from fastnst.images.encode import save_image
from fastnst.output_files import (
    FullDiskError,
    check_output,
    check_partial,
    locked_output,
    write_atomically,
)


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


def test_errors_of_other_files_are_not_said_of_the_output(tmp_path: Path) -> None:
    def copy_missing() -> None:
        with write_atomically(tmp_path / "out.bin") as partial:
            partial.write_bytes((tmp_path / "missing.bin").read_bytes())

    with pytest.raises(FileNotFoundError, match=r"missing\.bin"):
        copy_missing()

    def time_out() -> None:
        with write_atomically(tmp_path / "out.bin"):
            raise TimeoutError("the network is slow")

    with pytest.raises(TimeoutError, match="the network is slow"):
        time_out()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_has_its_own_error(tmp_path: Path) -> None:
    def fill() -> None:
        with write_atomically(tmp_path / "out.bin"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FullDiskError, match=r"out\.bin cannot be written \(No space left"):
        fill()


def test_links_are_followed_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("kept.txt")
    with pytest.raises(OutputError, match="exists already"):
        check_output(tmp_path / "link.txt")
    with write_atomically(tmp_path / "link.txt", overwrite=True) as partial:
        partial.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "kept.txt").read_text() == "new"
    (tmp_path / "nowhere.txt").symlink_to("missing.txt")
    (tmp_path / "round.txt").symlink_to("round.txt")
    for name in ("nowhere.txt", "round.txt"):
        with pytest.raises(OutputError, match=r"leads nowhere|cannot be written"):
            check_output(tmp_path / name, overwrite=True)


def test_inputs_are_never_outputs(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(b"precious")
    (tmp_path / "again.jpg").symlink_to("in.jpg")
    for name in ("in.jpg", "again.jpg"):
        with pytest.raises(OutputError, match="is an input of this command"):
            check_output(tmp_path / name, overwrite=True, inputs=[tmp_path / "in.jpg"])
    with pytest.raises(OutputError, match="is an input, and unfinished work would go there"):
        check_partial(tmp_path / "in.jpg", [tmp_path / "in.jpg"])
    with pytest.raises(OutputError, match="is not a plain file"):
        check_partial(tmp_path / "again.jpg")
    check_partial(tmp_path / "new.partial.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_no_outputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(OutputError, match="a pipe or a device"):
        check_output(tmp_path / "pipe.jpg", overwrite=True)


def test_an_output_is_locked_once(tmp_path: Path) -> None:
    with locked_output(tmp_path / "a.mp4"):
        with pytest.raises(OutputError, match="is being written by another run"), locked_output(tmp_path / "a.mp4"):
            pass
        with locked_output(tmp_path / "b.mp4"):
            pass
    with locked_output(tmp_path / "a.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_new_files_have_the_rights_that_the_user_wants(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with write_atomically(tmp_path / "a.txt") as partial:
            partial.write_text("x")
    finally:
        os.umask(old)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_a_library_that_writes_a_file_of_its_own_does_not_take_rights_away(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    path = tmp_path / "weights.safetensors"
    with write_atomically(path) as partial:
        partial.unlink()
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600))
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("links", [True, False])
def test_what_another_run_made_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:

        def none_here(*_: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", none_here)

    def be_late() -> None:
        with write_atomically(tmp_path / "a.txt") as partial:
            partial.write_text("mine")
            (tmp_path / "a.txt").write_text("theirs")

    with pytest.raises(OutputError, match="was made by another run meanwhile"):
        be_late()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]
    with write_atomically(tmp_path / "b.txt") as partial:
        partial.write_text("mine")
    assert (tmp_path / "b.txt").read_text() == "mine"
