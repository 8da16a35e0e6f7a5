"""Portraits, in Python and on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.commands.options.engine import EngineOptions
from fastnst.commands.options.portrait import (
    add_portrait_options,
    open_portrait,
    read_matting_options,
    read_portrait_options,
)
from fastnst.errors import ConfigError
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.portrait.compositor import NoPersonError, Portrait, PortraitOptions
from fastnst.runtime.portrait.matting_model import MattingModel
from tests.conftest import write_model
from tests.matting_models import disc, scene, write_ours

ALPHA = disc(96, 120, soft=6)
PHOTO = scene(ALPHA)
STYLIZED = 255 - PHOTO
PERSON, CORNER = (48, 60), (3, 3)


def compose(**options: object) -> np.ndarray:
    restyle = options.pop("restyle", None)
    return Portrait(PortraitOptions(**options), None, restyle=restyle)(PHOTO, STYLIZED, ALPHA)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "person", "corner"),
    [
        ({"mode": "person"}, (0, 255, 255), (0, 0, 255)),
        ({"mode": "auto"}, (0, 255, 255), (0, 0, 255)),
        ({"mode": "background"}, (255, 0, 0), (255, 255, 0)),
        ({"mode": "person", "background": "#102030"}, (0, 255, 255), (16, 32, 48)),
        ({"background": "#102030", "texture_factor": 0.5}, (0, 255, 255), (8, 16, 152)),
        ({"fg_color": "#ffffff", "fg_factor": 0.5}, (128, 255, 255), (0, 0, 255)),
        ({"background": "style:x", "restyle": lambda photo: photo // 2}, (0, 255, 255), (0, 0, 127)),
        ({"mode": "background", "background": "style:x", "restyle": lambda p: p // 2}, (255, 0, 0), (0, 0, 127)),
        ({"background": "keep"}, (0, 255, 255), (0, 0, 255)),
        ({"background": "blur"}, (0, 255, 255), (0, 0, 255)),
    ],
)
def test_modes_and_backgrounds(options: dict, person: tuple, corner: tuple) -> None:
    found = compose(**options).astype(int)
    assert np.abs(found[PERSON] - person).max() <= 2
    assert np.abs(found[CORNER] - corner).max() <= 4


def test_cutouts_are_transparent_and_hide_nothing() -> None:
    found = compose(mode="cutout")
    assert found.shape == (96, 120, 4)
    assert found[PERSON].tolist() == [0, 255, 255, 255]
    assert found[CORNER].tolist() == [0, 0, 0, 0]


def test_a_flat_background_takes_the_mean_colour_without_texture() -> None:
    found = compose(mode="background", texture_factor=0.0)
    outside = found[ALPHA == 0]
    assert (outside == outside[0]).all()


def test_a_picture_as_background_fills_the_frame(tmp_path: Path) -> None:
    Image.new("RGB", (300, 40), (9, 99, 199)).save(tmp_path / "b.png")
    found = compose(background=str(tmp_path / "b.png"))
    assert found[CORNER].tolist() == [9, 99, 199]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "persn"}, "unknown portrait mode 'persn'. Did you mean 'person'"),
        ({"mode": "cutout", "background": "blur"}, "a cutout has no background"),
        ({"mode": "background", "background": "blur"}, "restyles the photo's own background"),
        ({"fg_factor": 1.5}, "fg-factor must be between 0 and 1, not 1.5"),
        ({"texture_factor": float("nan")}, "texture-factor must be between 0 and 1"),
        ({"background": "style:"}, "style: needs the name"),
        ({"fg_color": "blue"}, "'blue' is not a colour"),
    ],
)
def test_options_that_mean_nothing(options: dict, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        PortraitOptions(**options).validate()


def test_nobody_is_an_error_but_in_auto_and_in_video(caplog: pytest.LogCaptureFixture) -> None:
    nobody = np.zeros((96, 120), np.float32)
    with pytest.raises(NoPersonError, match=r"no person was found .*--portrait auto"):
        Portrait(PortraitOptions("person"), None)(PHOTO, STYLIZED, nobody)
    assert np.array_equal(Portrait(PortraitOptions("auto"), None)(PHOTO, STYLIZED, nobody), STYLIZED)
    assert "no person was found" in caplog.text
    frame = Portrait(PortraitOptions("person"), None, video=True)(PHOTO, STYLIZED, nobody)
    assert np.array_equal(frame, PHOTO)
    frame = Portrait(PortraitOptions("auto"), None, video=True)(PHOTO, STYLIZED, nobody)
    assert np.array_equal(frame, STYLIZED)


def test_frames_are_matted_small_and_smoothed(tmp_path: Path) -> None:
    model = MattingModel(write_ours(tmp_path / "m.onnx", reference_size=320), "cpu")
    portrait = Portrait(PortraitOptions("person", background="#000000"), model, video=True)
    truth = disc(384, 480, soft=6)
    still, moved = scene(truth), scene(np.roll(truth, 90, axis=1))
    first = portrait.find(still)
    assert np.abs(first - truth).mean() < 0.01
    flicker = portrait.find(np.minimum(still, 220))  # the red channel is the matte: 255 falls to 220
    assert flicker[192, 240] > 0.9
    assert np.abs(portrait.find(moved) - np.roll(truth, 90, axis=1)).mean() < 0.02
    portrait.reset()
    assert portrait.find(np.minimum(still, 220))[192, 240] == pytest.approx(215 / 245, abs=0.01)  # settled
    assert portrait(still, 255 - still)[3, 3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--portrait", "cutout"], "clips and the camera have no transparency"),
        (["--portrait", "auto", "--matte", "m.png"], "--matte is"),
    ],
)
def test_what_clips_cannot_have(arguments: list[str], reason: str) -> None:
    parser = argparse.ArgumentParser()
    add_portrait_options(parser)
    given = parser.parse_args(arguments)
    options, matting = read_portrait_options(given), read_matting_options(given)
    with pytest.raises(ConfigError, match=reason):
        open_portrait(options, matting, EngineOptions(), RestyleOptions, video=True)


# The command line.


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photo, styles and a matting model installed."""
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    styles = tmp_path / "styles"
    write_ours(styles / "matting" / "small.onnx", reference_size=96)
    write_model(styles / "negative.onnx")
    monkeypatch.setenv("FASTNST_STYLES", str(styles))
    return tmp_path


def stylize(folder: Path, *options: object, photo: str = "photo.png", out: str = "out.png") -> int:
    arguments = [folder / photo, "-o", folder / out, "--style", "negative", "--provider", "cpu", *options]
    return cli.main(["stylize", *map(str, arguments)])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_stylize_person_and_background(files: Path) -> None:
    assert stylize(files, "--portrait", "person") == 0
    found = pixels(files / "out.png")
    assert found[PERSON].tolist() == [0, 255, 255]
    assert found[CORNER].tolist() == [0, 0, 255]
    options = ("--portrait", "background", "--background", "style:negative", "--overwrite")
    assert stylize(files, *options) == 0
    found = pixels(files / "out.png")
    assert found[PERSON].tolist() == [255, 0, 0]
    assert found[CORNER].tolist() == [255, 255, 0]


def test_stylize_cutout_into_a_folder_is_png(files: Path) -> None:
    Image.fromarray(PHOTO).save(files / "photo.jpg")
    assert stylize(files, "--portrait", "cutout", photo="photo.jpg", out="made") == 0
    (made,) = (files / "made").iterdir()
    assert made.name == "photo_negative.png"
    assert pixels(made)[CORNER][3] == 0


def test_a_transparent_photo_stays_transparent(files: Path) -> None:
    photo = Image.fromarray(PHOTO)
    veil = Image.new("L", photo.size, 255)
    veil.paste(0, (44, 40, 56, 56))  # a hole in the person
    photo.putalpha(veil)
    photo.save(files / "veiled.png")
    assert stylize(files, "--portrait", "cutout", photo="veiled.png") == 0
    found = pixels(files / "out.png")
    assert found[48, 62, 3] == 255
    assert found[48, 50, 3] == 0


def test_stylize_with_a_matte_file(files: Path) -> None:
    Image.fromarray(np.rint(ALPHA * 255).astype(np.uint8)).save(files / "matte.png")
    options = ("--portrait", "person", "--matte", files / "matte.png")
    assert stylize(files, *options) == 0
    assert pixels(files / "out.png")[PERSON].tolist() == [0, 255, 255]
    assert stylize(files, *options, "--max-size", "60", "--overwrite") == 0
    assert pixels(files / "out.png").shape == (48, 60, 3)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--portrait", "persons"], "unknown portrait mode 'persons'"),
        (["--background", "blur"], "--background needs --portrait MODE"),
        (["--portrait", "cutout", "--format", "jpg"], "a cutout needs transparency, which .jpg has not"),
        (["--portrait", "person", "--background", "style:nosuch"], "unknown style 'nosuch'"),
        (["--portrait", "person", "--matting-model", "{folder}/photo.png"], "is not an ONNX model"),
        (["--portrait", "person", "--matting-model", "{folder}/styles/negative.onnx"], "is not a matting model"),
        (["--portrait", "person", "--background", "{folder}/styles/negative.onnx"], "is not a picture"),
        (["--portrait", "person", "--matte", "{folder}/missing.png"], "cannot be opened"),
    ],
)
def test_bad_portrait_options_are_one_sentence(
    files: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stylize(files, *(text.format(folder=files) for text in options)) == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1
    assert not (files / "out.png").exists()


def test_without_a_person(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64), (3, 200, 200)).save(files / "empty.png")
    assert stylize(files, "--portrait", "person", photo="empty.png") == 2
    assert "no person was found" in capsys.readouterr().err
    assert stylize(files, "--portrait", "auto", photo="empty.png") == 0
    assert pixels(files / "out.png")[0, 0].tolist() == [252, 55, 55]
