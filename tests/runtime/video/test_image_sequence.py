"""Folders of frames: whose pictures are in them, and with what they were made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.runtime.video.frame_marks import mark, parsed, read_mark
from fastnst.runtime.video.image_sequence import FolderSource
from tests.runtime.clips import make_clip, picture, pictures, probe, stylize

SIZE = (64, 48)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mp4", size=SIZE, frames=6, sound=None, crf=5)


def frames(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for index, name in enumerate(names):
        Image.fromarray(picture(index, *SIZE)).save(folder / name)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_frames_say_what_they_were_made_with(negative_model: Path, clip: Path, tmp_path: Path, suffix: str) -> None:
    assert stylize(negative_model, clip, tmp_path / "out", "--strength", "0.5", "--format", suffix) == 0
    found = read_mark(tmp_path / "out" / f"000003.{suffix}")
    assert found is not None
    assert (found["strength"], found["input"], found["format"]) == (0.5, "in.mp4", f".{suffix}")


def test_two_styles_in_one_clip_are_refused(negative_model: Path, clip: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    assert stylize(negative_model, clip, output) == 0
    (output / "000004.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    assert stylize(negative_model, clip, output, "--resume", "--strength", "0.3") == 2
    assert "was begun with strength 1.0, not 0.3" in capsys.readouterr().err
    assert stylize(negative_model, clip, output, "--resume", "--format", "jpg") == 2
    assert "was begun with format .png, not .jpg" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == before


def test_pictures_of_others_are_no_frames(negative_model: Path, clip: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    assert stylize(negative_model, clip, output) == 0
    for number in (0, 1, 3):
        (output / f"{number:06d}.png").unlink()
    Image.new("RGB", SIZE).save(output / "holiday.png")
    Image.new("RGB", SIZE).save(output / "another.png")
    assert stylize(negative_model, clip, output, "--resume") == 0
    assert "6 frames" in capsys.readouterr().out
    assert names(output) == [*(f"{number:06d}.png" for number in range(6)), "another.png", "holiday.png"]


def test_a_picture_of_another_under_a_frame_s_name_is_not_replaced(
    negative_model: Path, clip: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "out"
    assert stylize(negative_model, clip, output) == 0
    Image.new("RGB", SIZE).save(output / "000002.png")
    kept = (output / "000002.png").read_bytes()
    assert stylize(negative_model, clip, output, "--resume") == 2
    assert "000002.png was not made by an interrupted run of fastnst" in capsys.readouterr().err
    assert (output / "000002.png").read_bytes() == kept
    assert stylize(negative_model, clip, output, "--overwrite") == 0
    assert read_mark(output / "000002.png") is not None


def test_a_folder_of_others_pictures_is_not_gone_on_with(
    negative_model: Path, clip: Path, tmp_path: Path, capsys
) -> None:
    output = frames(tmp_path / "out", ["000.png", "001.png"])
    assert stylize(negative_model, clip, output, "--resume") == 2
    assert "holds pictures, but none of an interrupted run" in capsys.readouterr().err
    assert names(output) == ["000.png", "001.png"]


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_names_that_differ_in_the_suffix_only(negative_model: Path, tmp_path: Path, options: list[str]) -> None:
    source = frames(tmp_path / "in", ["a.jpg", "a.png", "b.png"])
    assert stylize(negative_model, source, tmp_path / "out", "--fps", "10", *options) == 0
    assert names(tmp_path / "out") == ["a_jpg.png", "a_png.png", "b.png"]


def test_frames_of_a_folder_are_gone_on_with(negative_model: Path, tmp_path: Path, capsys) -> None:
    source = frames(tmp_path / "in", [f"shot{number}.png" for number in range(5)])
    assert stylize(negative_model, source, tmp_path / "out", "--fps", "10") == 0
    for number in (3, 4):
        (tmp_path / "out" / f"shot{number}.png").unlink()
    assert stylize(negative_model, source, tmp_path / "out", "--fps", "10", "--resume") == 0
    assert "2 frames after 3 of an earlier run" in capsys.readouterr().out
    for index in range(5):
        with Image.open(tmp_path / "out" / f"shot{index}.png") as image:
            assert np.array_equal(np.asarray(image), 255 - picture(index, *SIZE))


def test_transparent_frames_stay_transparent(negative_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    layers = np.zeros((48, 64, 4), np.uint8)
    layers[10:30, 10:30] = (200, 100, 50, 255)
    Image.fromarray(layers).save(tmp_path / "in" / "0.png")
    assert stylize(negative_model, tmp_path / "in", tmp_path / "out", "--fps", "10") == 0
    with Image.open(tmp_path / "out" / "0.png") as image:
        assert image.getpixel((20, 20)) == (55, 155, 205, 255)
        assert image.getpixel((2, 2))[3] == 0  # type: ignore[index]


def test_sides_are_even_as_those_of_videos(tmp_path: Path) -> None:
    source = frames(tmp_path / "in", ["0.png"])
    assert FolderSource(source, Fraction(25), max_size=37).info.width == 36
    assert FolderSource(source, Fraction(25), max_size=37).info.height == 26


def test_what_a_killed_run_was_writing_is_cleared(negative_model: Path, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert stylize(negative_model, clip, output) == 0
    (output / "000005.png").rename(output / ".000005-0a1b2c3d.png")
    (output / ".hidden-by-others.png").touch()
    assert stylize(negative_model, clip, output, "--resume") == 0
    assert names(output) == [".hidden-by-others.png", *(f"{number:06d}.png" for number in range(6))]


def test_marks() -> None:
    settings = {"input": 'a "quoted" <name> & café.mp4', "crf": None, "start": "1/3"}
    assert mark(settings).isascii()
    assert parsed("[" * 100000) is None
    assert parsed("7") is None


def test_marks_survive_odd_names(tmp_path: Path) -> None:
    from fastnst.images.encode import save_picture
    from fastnst.images.metadata import Metadata
    from fastnst.images.picture import Picture

    settings = {"input": "a \"quoted\" 'name' <&> caf\udce9.mp4"}
    image = Image.new("RGB", SIZE)
    save_picture(Picture(image, None, Metadata(xmp=mark(settings))), tmp_path / "a.png")
    assert read_mark(tmp_path / "a.png") == settings
    image.save(tmp_path / "b.png")
    assert read_mark(tmp_path / "b.png") is None
    (tmp_path / "c.png").write_bytes(b"no picture")
    assert read_mark(tmp_path / "c.png") is None


def test_frames_to_a_folder_and_back(negative_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, folder, output = make_clip(tmp_path / "long.mp4"), tmp_path / "frames", tmp_path / "out.mp4"
    assert stylize(negative_model, clip, folder) == 0
    found = names(folder)
    assert found == [f"{index:06d}.png" for index in range(24)]
    assert stylize(negative_model, clip, folder) == 2
    assert "holds pictures already" in capsys.readouterr().err
    for name in found[10:]:
        (folder / name).unlink()
    assert stylize(negative_model, clip, folder, "--resume") == 0
    assert "14 frames after 10 of an earlier run" in capsys.readouterr().out
    for index, shown in enumerate(255 - pictures(clip)):
        with Image.open(folder / f"{index:06d}.png") as image:
            assert np.abs(np.asarray(image, int) - shown).mean() < 1
    assert stylize(negative_model, folder, output, "--fps", "30000/1001") == 0
    assert probe(output).times["video"] == probe(clip).times["video"]
    assert np.abs(pictures(output) - pictures(clip)).mean() < 4
    assert stylize(negative_model, folder, tmp_path / "calm", "--smooth") == 0
    assert names(tmp_path / "calm") == found


def test_frames_are_ordered_by_number_and_must_have_one_size(
    negative_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 9, 10, 11, 100):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"f{number}.png")
    assert [frame.rgb[0, 0, 0] for frame in FolderSource(folder, Fraction(25)).frames()] == [1, 2, 9, 10, 11, 100]
    Image.new("RGB", (32, 48)).save(folder / "f50.png")
    assert stylize(negative_model, folder, tmp_path / "out.mp4") == 2
    message = "f50.png has 32×48 pixels and f1.png 32×32: the frames of a clip must have one size."
    assert message in capsys.readouterr().err
