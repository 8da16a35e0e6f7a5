"""`fastnst matte` in this process, with a model whose mattes are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from tests.matting_models import disc, scene, write_ours


def matte(*arguments: object) -> int:
    return cli.main(["matte", *map(str, arguments), "--provider", "cpu"])


@pytest.fixture
def person(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """A photo's file, a model that finds who is in it, and the true matte."""
    truth = disc(96, 120, soft=6)
    Image.fromarray(scene(truth)).save(tmp_path / "person.png")
    return tmp_path / "person.png", write_ours(tmp_path / "m.onnx"), truth


def test_matte_writes_alpha_cutout_and_composite(person: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    photo, model, truth = person
    assert matte(photo, "-o", tmp_path / "a.png", "--matting-model", model) == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert np.abs(np.asarray(image) / 255 - truth).mean() < 0.02
    assert matte(photo, "-o", tmp_path / "c.png", "--write", "cutout", "--matting-model", model) == 0
    with Image.open(tmp_path / "c.png") as image:
        assert image.mode == "RGBA"
        pixels = np.asarray(image).astype(int)
    solid = pixels[..., 3] > 128
    assert pixels[solid][:, 0].min() > 200  # no blue is left on the outline
    assert pixels[solid][:, 2].max() < 60
    # The alpha that was written is taken as a matte.
    assert matte(photo, "-o", tmp_path / "g.png", "--matte", tmp_path / "c.png", "--background", "#00ff00") == 0
    with Image.open(tmp_path / "g.png") as image:
        assert image.getpixel((2, 2)) == (0, 255, 0)
        assert np.asarray(image)[..., 2].max() < 60


def test_matte_of_a_folder(person: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    photo, model, _ = person
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("one.png", "one.jpg", "sub/two.png"):
        Image.open(photo).save(folder / name)
    (folder / "broken.png").write_text("no picture")
    assert matte(folder, "-o", tmp_path / "out", "--matting-model", model) == 1
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert made == ["one_alpha.png", "one_png_alpha.png", "sub/two_alpha.png"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--write", "cutut"], "unknown kind 'cutut'. Did you mean 'cutout'?"),
        (["--write", "composite"], "a composite needs --background"),
        (["--background", "blurr"], "there is no background 'blurr'. Did you mean 'blur'?"),
        (["--background", "#12345"], "'#12345' is not a colour"),
        (["--background", "style:wave"], "use fastnst stylize --portrait background"),
        (["--write", "cutout", "--background", "blur"], "--background is for --write composite, not for cutout"),
        (["--matte", "{photo}"], "is a colour picture, not a matte"),
        (["--matte", "{other}"], "has 30×40 pixels, its photo 120×96"),
        (["--matting", "modne"], "unknown matting model 'modne'"),
    ],
)
def test_bad_options_are_one_sentence(
    person: tuple[Path, Path, np.ndarray],
    tmp_path: Path,
    options: list[str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo, model, _ = person
    Image.new("L", (30, 40)).save(tmp_path / "other.png")
    options = [text.format(photo=photo, other=tmp_path / "other.png") for text in options]
    taken = [] if "--matting" in options else ["--matting-model", str(model)]
    assert matte(photo, "-o", tmp_path / "out.png", *options, *taken) == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_a_folder_of_mattes_serves_a_folder_of_photos(
    person: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, model, _ = person
    photos, mattes = tmp_path / "photos", tmp_path / "mattes"
    (photos / "sub").mkdir(parents=True)
    for name in ("one.png", "sub/two.jpg", "three.png"):
        Image.open(photo).save(photos / name)
    assert matte(photos, "-o", mattes, "--matting-model", model) == 0
    options = ("--background", "#00ff00", "--matte", mattes)
    assert matte(photos, "-o", tmp_path / "green", *options) == 0
    made = sorted(path.relative_to(tmp_path / "green").as_posix() for path in (tmp_path / "green").rglob("*.png"))
    assert made == ["one_composite.png", "sub/two_composite.png", "three_composite.png"]
    with Image.open(tmp_path / "green" / made[0]) as image:
        assert image.getpixel((2, 2)) == (0, 255, 0)
    # A photo without a matte, and one with two, end neither the others nor in a guess.
    (mattes / "three_alpha.png").unlink()
    (mattes / "one.png").write_bytes((mattes / "one_alpha.png").read_bytes())
    capsys.readouterr()
    assert matte(photos, "-o", tmp_path / "again", *options) == 1
    message = capsys.readouterr().err
    assert "holds no matte for it: three.png or three_alpha.png" in message
    assert "has 2 mattes" in message
    assert [path.name for path in (tmp_path / "again").rglob("*.png")] == ["two_composite.png"]
    (tmp_path / "empty").mkdir()
    assert matte(photos, "-o", tmp_path / "out", "--background", "blur", "--matte", tmp_path / "empty") == 2
    assert "holds no mattes" in capsys.readouterr().err


def test_nobody_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_ours(tmp_path / "m.onnx")
    Image.new("RGB", (64, 64), (3, 200, 200)).save(tmp_path / "empty.png")
    arguments = (tmp_path / "empty.png", "-o", tmp_path / "out.png", "--matting-model", model)
    assert matte(*arguments, "--write", "cutout") == 2
    assert "no person was found" in capsys.readouterr().err
    assert matte(*arguments) == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.getextrema()[1] < 10
