"""Places for clips: other runs, somebody else's files, links."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastnst.output_files import locked_output
from fastnst.runtime.stylizer import Stylizer
from fastnst.runtime.video.convert import convert_clip
from fastnst.runtime.video.reader import VideoSource
from fastnst.runtime.video.stages import FrameStylist
from fastnst.runtime.video.target import BusyError, Target
from tests.runtime.clips import make_clip, probe, stylize


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mp4", frames=6)


@pytest.mark.parametrize("output", ["out.mp4", "out.gif", "out"])
def test_an_output_is_made_by_one_run_at_a_time(
    negative_model: Path, clip: Path, tmp_path: Path, capsys, output: str
) -> None:
    with locked_output(tmp_path / output):
        assert stylize(negative_model, clip, tmp_path / output, "--overwrite") == 2
        err = capsys.readouterr().err
        assert "is being written by another run" in err
        assert "What is finished" not in err
        with pytest.raises(BusyError):
            convert_clip(VideoSource(clip), FrameStylist(Stylizer(negative_model, "cpu")), Target(tmp_path / output))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    assert stylize(negative_model, clip, tmp_path / output) == 0


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--resume"]])
@pytest.mark.parametrize("kind", ["link", "folder", "clip", "text"])
def test_somebody_else_s_file_is_not_taken_for_unfinished_work(
    negative_model: Path, clip: Path, tmp_path: Path, capsys, kind: str, options: list[str]
) -> None:
    partial = tmp_path / "out.partial.mp4"
    victim = tmp_path / "victim.bin"
    victim.write_bytes(b"precious")
    if kind == "link":
        partial.symlink_to(victim)
    elif kind == "folder":
        partial.mkdir()
    elif kind == "clip":
        partial.write_bytes(clip.read_bytes())
    else:
        partial.write_bytes(b"a letter " * 99)
    assert stylize(negative_model, clip, tmp_path / "out.mp4", *options) == 2
    assert "out.partial.mp4" in capsys.readouterr().err
    assert victim.read_bytes() == b"precious"
    assert partial.is_symlink() == (kind == "link")
    if kind in ("clip", "text"):
        assert partial.read_bytes() in (clip.read_bytes(), b"a letter " * 99)
    assert not (tmp_path / "out.mp4").exists()


def test_a_gif_does_not_replace_what_lies_where_it_is_made(
    negative_model: Path, clip: Path, tmp_path: Path, capsys
) -> None:
    partial = tmp_path / "out.partial.gif"
    partial.write_bytes(b"precious")
    assert stylize(negative_model, clip, tmp_path / "out.gif") == 2
    assert "is in the way" in capsys.readouterr().err
    assert partial.read_bytes() == b"precious"
    assert stylize(negative_model, clip, tmp_path / "out.gif", "--overwrite") == 0
    assert not partial.exists()


def test_the_input_is_not_unfinished_work(negative_model: Path, clip: Path, tmp_path: Path, capsys) -> None:
    source = clip.rename(tmp_path / "x.partial.mp4")
    content = source.read_bytes()
    for options in ([], ["--overwrite"], ["--resume"]):
        assert stylize(negative_model, source, tmp_path / "x.mp4", *options) == 2
        assert "is an input" in capsys.readouterr().err
    assert source.read_bytes() == content


@pytest.mark.parametrize("output", ["o" * 251 + ".mp4", "é" * 125 + ".gif", "o" * 250 + ".mkv"])
def test_the_longest_names(negative_model: Path, clip: Path, tmp_path: Path, output: str) -> None:
    assert stylize(negative_model, clip, tmp_path / output) == 0
    assert (tmp_path / output).exists()


@pytest.mark.parametrize("output", ["o" * 300 + ".mp4", "o" * 300 + ".gif", "o" * 300])
def test_longer_names_are_reported(negative_model: Path, clip: Path, tmp_path: Path, capsys, output: str) -> None:
    assert stylize(negative_model, clip, tmp_path / output) == 2
    assert "cannot be looked up (File name too long)" in capsys.readouterr().err
    assert stylize(negative_model, tmp_path / output, tmp_path / "out.mp4") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_names_with_colons_and_commas(negative_model: Path, clip: Path, tmp_path: Path) -> None:
    source = clip.rename(tmp_path / "concat:10:30,a|b.mp4")
    assert stylize(negative_model, source, tmp_path / "http:x.mp4") == 0
    assert len(probe(tmp_path / "http:x.mp4").times["video"]) == 6
