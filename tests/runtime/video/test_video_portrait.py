"""Portraits in clips: `fastnst stylize CLIP --portrait` and `fastnst matte CLIP`, with people who are easily found."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ModelError
from fastnst.runtime.portrait.compositor import Portrait
from fastnst.runtime.portrait.matting_model import MattingModel
from fastnst.runtime.video.stages import FrameStylist
from tests.conftest import write_model
from tests.matting_models import disc, scene, write_ours
from tests.runtime.clips import make_clip, pictures, probe

SIZE = (128, 96)
CORNER = (3, 3)
_WHITE = 240  # the red of a person; encoders lose a level or two of 255


def truth(index: int, width: int = SIZE[0], height: int = SIZE[1]) -> np.ndarray:
    """The matte of frame `index`: a person who walks."""
    return np.roll(disc(height, width, soft=4), index - 12, axis=1)


def walking(index: int, width: int, height: int) -> np.ndarray:
    return scene(truth(index, width, height))


def nobody(index: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), (0, 200, 100), np.uint8)


def flickering(index: int, width: int, height: int) -> np.ndarray:
    """A person who stands still, in light that makes the matte flicker by 14 %."""
    return np.minimum(scene(disc(height, width, soft=4)), _WHITE - 35 if index % 2 else _WHITE)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a clip, a style and a matting model installed."""
    styles = tmp_path / "styles"
    write_ours(styles / "matting" / "small.onnx", reference_size=96, white=_WHITE)
    write_model(styles / "negative.onnx")
    monkeypatch.setenv("FASTNST_STYLES", str(styles))
    make_clip(tmp_path / "in.mp4", size=SIZE, draw=walking, crf=3)
    return tmp_path


def stylize(folder: Path, *options: object, clip: str = "in.mp4", out: str = "out.mp4") -> int:
    arguments = [folder / clip, "-o", folder / out, "--style", "negative", "--provider", "cpu", *options]
    return cli.main(["stylize", *map(str, arguments)])


def matte(folder: Path, *options: object, clip: str = "in.mp4", out: str = "out.mp4") -> int:
    return cli.main(["matte", *map(str, (folder / clip, "-o", folder / out, "--provider", "cpu", *options))])


def check_colours(frames: np.ndarray, person: tuple[int, ...], corner: tuple[int, ...], tolerance: int = 12) -> None:
    assert len(frames) == 24
    for index, frame in enumerate(frames):
        middle = (SIZE[1] // 2, SIZE[0] // 2 + index - 12)
        assert np.abs(frame[middle] - person).max() <= tolerance, index
        assert np.abs(frame[CORNER] - corner).max() <= tolerance, index


@pytest.mark.parametrize(
    ("options", "person", "corner"),
    [
        (["--portrait", "person"], (0, 255, 255), (0, 0, 255)),
        (["--portrait", "auto"], (0, 255, 255), (0, 0, 255)),
        (["--portrait", "background"], (255, 0, 0), (255, 255, 0)),
        (["--portrait", "person", "--background", "#204060"], (0, 255, 255), (32, 64, 96)),
        (["--portrait", "person", "--background", "style:negative"], (0, 255, 255), (255, 255, 0)),
        (["--portrait", "background", "--strength", "0.5"], (255, 0, 0), (128, 128, 128)),
        (["--portrait", "person", "--fg-color", "#ffffff", "--fg-factor", "0.5"], (128, 255, 255), (0, 0, 255)),
    ],
)
def test_modes_and_backgrounds(files: Path, options: list[str], person: tuple, corner: tuple) -> None:
    assert stylize(files, "--crf", 5, *options) == 0
    check_colours(pictures(files / "out.mp4"), person, corner)
    before, after = probe(files / "in.mp4"), probe(files / "out.mp4")
    assert after.times == before.times
    assert after.packets["audio"] == before.packets["audio"]


def test_batches_change_nothing(files: Path) -> None:
    assert stylize(files, "--portrait", "person", "--crf", 5) == 0
    assert stylize(files, "--portrait", "person", "--crf", 5, "--batch", 5, out="batches.mp4") == 0
    assert np.array_equal(pictures(files / "out.mp4"), pictures(files / "batches.mp4"))


def test_folders_and_gifs(files: Path) -> None:
    assert stylize(files, "--portrait", "person", "--background", "#204060", out="frames") == 0
    shown = [np.asarray(Image.open(path), int) for path in sorted((files / "frames").iterdir())]
    check_colours(np.stack(shown), (0, 255, 255), (32, 64, 96))
    assert stylize(files, "--portrait", "background", out="out.gif") == 0
    check_colours(pictures(files / "out.gif"), (255, 0, 0), (255, 255, 0))
    assert matte(files, clip="out.gif", out="matte.gif") == 0  # the person is still red, yellow is red too
    assert probe(files / "matte.gif").times == probe(files / "out.gif").times
    assert matte(files, "--background", "#000000", out="people") == 0
    assert stylize(files, "--portrait", "person", clip="people", out="again.mp4") == 0
    check_colours(pictures(files / "again.mp4"), (0, 255, 255), (0, 0, 0))


def test_nobody_in_a_clip(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clip(files / "empty.mp4", size=SIZE, draw=nobody, sound=None)
    assert stylize(files, "--portrait", "person", clip="empty.mp4") == 0
    assert "no person was found in any of the 24 frames" in capsys.readouterr().err
    assert np.abs(pictures(files / "out.mp4") - pictures(files / "empty.mp4")).mean() < 4
    assert stylize(files, "--portrait", "auto", clip="empty.mp4", out="auto.mp4") == 0
    assert np.abs(pictures(files / "auto.mp4") + pictures(files / "empty.mp4") - 255).mean() < 4


# Resume.


def fail_at(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the matting break after `count` frames."""
    find, calls = Portrait.find, [0]

    def broken(self: Portrait, photo: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] > count:
            raise ModelError("the matting model broke.")
        return find(self, photo)

    monkeypatch.setattr(Portrait, "find", broken)


@pytest.mark.parametrize("command", [stylize, matte])
def test_resume_goes_on_with_the_same_portrait_only(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command
) -> None:
    Image.new("RGB", SIZE, (10, 90, 40)).save(files / "wall.png")
    mode = ["--portrait", "person"] if command is stylize else []
    options = [*mode, "--background", files / "wall.png", "--crf", 5]
    make_clip(files / "in.mp4", size=SIZE, draw=walking, frames=48, rate=Fraction(10))
    assert command(files, *options, out="whole.mp4") == 0
    with monkeypatch.context() as patch:
        fail_at(30, patch)
        assert command(files, *options) == 2
    message = capsys.readouterr().err
    assert "the matting model broke. What is finished plays in" in message
    assert message.count("\n") == 1

    for other in (["--background", "#102030"], ["--background", "blur"], ["--texture-factor", "0.5"]):
        assert command(files, *options, *other, "--resume") == 2
        assert "out.partial.mp4 was begun with" in capsys.readouterr().err
    write_ours(files / "other.onnx", reference_size=64)
    assert command(files, *options, "--matting-model", files / "other.onnx", "--resume") == 2
    assert "was begun with matting small.onnx" in capsys.readouterr().err
    if command is stylize:
        assert stylize(files, "--crf", 5, "--resume") == 2
        assert "was begun with portrait person, not None" in capsys.readouterr().err
    wall = (files / "wall.png").read_bytes()
    Image.new("RGB", SIZE, (11, 90, 40)).save(files / "wall.png")
    assert command(files, *options, "--resume") == 2
    assert "was begun with background wall.png" in capsys.readouterr().err
    (files / "wall.png").write_bytes(wall)

    assert command(files, *options, "--resume") == 0
    assert "of an earlier run" in capsys.readouterr().out
    assert probe(files / "out.mp4").times == probe(files / "whole.mp4").times
    assert np.abs(pictures(files / "out.mp4") - pictures(files / "whole.mp4")).mean() < 1


def test_failures_of_onnxruntime_are_reported(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

    def broken(*_: object, **__: object) -> None:
        raise RuntimeException("out of memory\nand a trace")

    monkeypatch.setattr(MattingModel, "coarse", broken)
    assert stylize(files, "--portrait", "person") == 2
    assert "the matting model failed (out of memory)." in capsys.readouterr().err
    assert not list(files.glob("out*"))


# Mattes.


def test_a_matte_is_a_grey_clip_with_the_clip_s_times(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert matte(files, "--crf", 5) == 0
    assert "24 frames" in capsys.readouterr().out
    found = pictures(files / "out.mp4")
    assert np.abs(found - found[..., :1]).max() <= 3
    errors = [np.abs(frame[..., 0] / 255 - truth(index)).mean() for index, frame in enumerate(found)]
    assert max(errors) < 0.03
    assert probe(files / "out.mp4").times == probe(files / "in.mp4").times


def test_mattes_do_not_flicker(files: Path) -> None:
    make_clip(files / "flicker.mp4", size=SIZE, draw=flickering, sound=None)
    assert matte(files, "--crf", 5, clip="flicker.mp4") == 0
    middle = (slice(10, None), SIZE[1] // 2, SIZE[0] // 2, 0)
    before, after = pictures(files / "flicker.mp4")[middle] / _WHITE, pictures(files / "out.mp4")[middle] / 255
    assert np.abs(np.diff(before)).mean() > 0.12
    assert np.abs(np.diff(after)).mean() < 0.7 * np.abs(np.diff(before)).mean()


def test_composites_keep_the_sound(files: Path) -> None:
    assert matte(files, "--background", "#204060", "--crf", 5) == 0
    check_colours(pictures(files / "out.mp4"), (255, 0, 0), (32, 64, 96))
    assert probe(files / "out.mp4").packets["audio"] == probe(files / "in.mp4").packets["audio"]


def test_mattes_and_cutouts_as_pictures(files: Path) -> None:
    assert matte(files, "--start", "0.5", out="alpha") == 0
    names = sorted(path.name for path in (files / "alpha").iterdir())
    assert names == [f"{index:06d}.png" for index in range(24 - 15)]
    with Image.open(files / "alpha" / names[0]) as image:
        assert (image.mode, image.size) == ("L", SIZE)
        assert np.abs(np.asarray(image) / 255 - truth(15)).mean() < 0.03
    assert matte(files, "--write", "cutout", out="cut") == 0
    with Image.open(files / "cut" / "000012.png") as image:
        assert image.mode == "RGBA"
        assert image.getpixel((3, 3)) == (0, 0, 0, 0)
        red, green, blue, alpha = image.getpixel((SIZE[0] // 2, SIZE[1] // 2))  # type: ignore[misc]
    assert min(red, alpha) > 245
    assert max(green, blue) < 12
    # A folder goes into one clip, or, frame after frame, into another folder.
    assert matte(files, clip="cut", out="folder.mp4") == 0
    assert len(pictures(files / "folder.mp4")) == 24
    assert matte(files, "--fps", 25, clip="cut", out="mattes") == 0
    assert len(list((files / "mattes").iterdir())) == 24


def test_odd_sizes_and_reduction(files: Path) -> None:
    make_clip(files / "odd.mp4", size=(107, 59), pixels="yuv444p", draw=walking, frames=6)
    assert matte(files, clip="odd.mp4") == 0
    assert probe(files / "out.mp4").size == (107, 59)
    assert stylize(files, "--portrait", "auto", "--max-size", 61, clip="odd.mp4", out="small.mp4") == 0
    assert probe(files / "small.mp4").size == (60, 32)


BAD = {
    "cutout": (["stylize", "{clip}", "--portrait", "cutout"], "clips and the camera have no transparency"),
    "matte file": (["stylize", "{clip}", "--portrait", "person", "--matte", "{tmp}/m.png"], "--matte is one photo's"),
    "mode": (["stylize", "{clip}", "--portrait", "persn"], "unknown portrait mode 'persn'. Did you mean 'person'?"),
    "no mode": (["stylize", "{clip}", "--background", "blur"], "--background needs --portrait MODE"),
    "background": (["stylize", "{clip}", "--portrait", "auto", "--background", "blurr"], "Did you mean 'blur'?"),
    "style": (["stylize", "{clip}", "--portrait", "auto", "--background", "style:nosuch"], "unknown style 'nosuch'"),
    "model": (["stylize", "{clip}", "--portrait", "auto", "--matting-model", "{clip}"], "is not an ONNX model"),
    "cutout clip": (["matte", "{clip}", "--write", "cutout"], "a cutout needs transparency, which a video has not"),
    "two clips": (["matte", "{clip}", "{clip}"], "one at a time"),
    "matte of a clip": (["matte", "{clip}", "--matte", "{tmp}/m.png"], "--matte is one photo's matte"),
    "kind": (["matte", "{clip}", "--write", "alfa"], "unknown kind 'alfa'. Did you mean 'alpha'?"),
    "no background": (["matte", "{clip}", "--write", "composite"], "a composite needs --background"),
    "crf": (["matte", "{clip}", "--crf", "99"], "crf must be between 0 and 51"),
    "max size": (["matte", "{clip}", "--max-size", "3"], "at least 16 pixels"),
    "missing": (["matte", "{tmp}/missing.mp4"], "does not exist"),
    "picture": (["matte", "{clip}", "-o", "{tmp}/out.png"], "is a picture: name a clip"),
    "same": (["matte", "{clip}", "-o", "{clip}", "--overwrite"], "is both input and output"),
    "foreign model": (["matte", "{clip}", "--matting-model", "{tmp}/styles/negative.onnx"], "is not a matting model"),
    "photo": (["matte", "{tmp}/photo.png", "-o", "{tmp}/o.png", "--crf", "3"], "--crf is for clips"),
    "resume": (["matte", "{tmp}/photo.png", "-o", "{tmp}/o.png", "--resume"], "--resume is for clips"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(files: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    Image.fromarray(walking(12, *SIZE)).save(files / "photo.png")
    given = [argument.format(tmp=files, clip=files / "in.mp4") for argument in BAD[case][0]]
    if "-o" not in given:
        given += ["-o", str(files / "out.mp4")]
    if given[0] == "stylize":
        given += ["--style", "negative"]
    before = {path: path.stat().st_mtime_ns for path in files.rglob("*")}
    assert cli.main([*given, "--provider", "cpu"]) == 2
    message = capsys.readouterr().err
    assert BAD[case][1] in message
    assert message.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in files.rglob("*")} == before


def test_a_part_of_another_command_is_not_gone_on_with(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip(files / "in.mp4", size=SIZE, draw=walking, frames=40, rate=Fraction(10))
    with monkeypatch.context() as patch:
        patch.setattr(FrameStylist, "restyle", failing_after(FrameStylist.restyle, 30))
        assert stylize(files) == 2
    assert matte(files, "--resume") == 2
    assert "was begun with write None, not alpha" in capsys.readouterr().err
    with av.open(str(files / "out.partial.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def failing_after(work, count: int):
    calls = [0]

    def broken(self, frames):
        calls[0] += len(frames)
        if calls[0] > count:
            raise ModelError("stop.")
        return work(self, frames)

    return broken
