"""`fastnst optimize`, `reconstruct` and `texture` as a user meets them: sheets, tables, films, bad input."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.images.decode import open_image
from fastnst.losses.objective import Objective
from fastnst.reference.optimize import Step
from tests.reference.commands import run


@pytest.mark.slow
def test_optimize_writes_one_picture_its_steps_and_a_film(capsys, inputs: Path) -> None:
    out, film = inputs / "out.png", inputs / "film.mp4"
    arguments = [inputs / "photo.jpg", "--style", inputs / "painting.jpg", "-o", out, "--every", 2, "--video", film]
    code, text, _ = run(capsys, inputs, "optimize", *arguments, "--curve", "--preserve-color")
    assert code == 0
    assert "4 steps" in text
    assert open_image(out).size == (80, 96)
    assert {"out_00002.png", "out_00004.png", "out_curve.png"} <= {path.name for path in inputs.iterdir()}
    import av

    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_a_sweep_is_a_sheet_and_a_table(capsys, inputs: Path) -> None:
    arguments = [inputs / "photo.jpg", "--style", inputs / "painting.jpg", "-o", inputs / "sweep"]
    sweep = ["--style-weight", 1, 100, "--content-layer", "relu3", "relu4,relu5", "--curve"]
    code, _, _ = run(capsys, inputs, "optimize", *arguments, *sweep)
    assert code == 0
    with (inputs / "sweep" / "terms.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["variant"] for row in rows] == [
        "content layers relu3, style weight 1", "content layers relu3, style weight 100",
        "content layers relu4,relu5, style weight 1", "content layers relu4,relu5, style weight 100",
    ]  # fmt: skip
    assert all(float(row["total"]) > 0 for row in rows)
    assert {"001.png", "004.png", "sheet.jpg", "curve.png"} <= {path.name for path in (inputs / "sweep").iterdir()}


def test_taps_can_be_swept(capsys, inputs: Path) -> None:
    arguments = [
        inputs / "photo.jpg",
        "--style",
        inputs / "painting.jpg",
        "-o",
        inputs / "taps",
        "--tap",
        "conv",
        "relu",
    ]
    code, _, _ = run(capsys, inputs, "optimize", *arguments)
    assert code == 0
    with (inputs / "taps" / "terms.csv").open() as stream:
        conv, relu = csv.DictReader(stream)
    assert (conv["variant"], relu["variant"]) == ("tap conv", "tap relu")
    assert conv["style"] != relu["style"]


@pytest.mark.parametrize("command", ["reconstruct", "texture"])
def test_synthesis_shows_two_noise_maps_for_each_layer(capsys, inputs: Path, command: str) -> None:
    out = inputs / command
    picture = inputs / "painting.jpg"
    code, _, _ = run(capsys, inputs, command, picture, "-o", out, "--layers", "relu1", "relu1,relu2", "--seeds", 2)
    assert code == 0
    assert len(list(out.glob("*.png"))) == 4
    assert (out / "sheet.jpg").is_file()
    first, second = (np.asarray(open_image(out / f"relu1_seed{seed}.png")) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_matte_replaces_the_background_first(capsys, inputs: Path) -> None:
    Image.new("L", (100, 120), 0).save(inputs / "matte.png")
    arguments = [inputs / "photo.jpg", "--style", inputs / "painting.jpg", "--steps", "1", "-o", inputs / "out.png"]
    code, _, _ = run(capsys, inputs, "optimize", *arguments, "--matte", inputs / "matte.png", "--background", "black")
    assert code == 0
    assert np.asarray(open_image(inputs / "out.png")).max() == 0  # the first step measures the start


def test_a_sweep_over_precisions_does_not_round_what_comes_after(capsys, inputs: Path) -> None:
    arguments = [inputs / "photo.jpg", "--style", inputs / "painting.jpg", "--steps", "1"]
    rows = {}
    for name, values in {"both": ["bf16", "f32"], "alone": ["f32"]}.items():
        out = inputs / name
        sweep = ["--size", "90", "96"] if name == "alone" else []
        code, _, _ = run(capsys, inputs, "optimize", *arguments, "-o", out, *sweep, "--precision", *values)
        assert code == 0
        with (out / "terms.csv").open() as stream:
            rows[name] = list(csv.DictReader(stream))
    assert rows["both"][1]["style"] == rows["alone"][1]["style"] != rows["both"][0]["style"]


def test_interrupted_before_the_first_step_nothing_is_written(
    capsys, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Objective, "content_target", interrupted)
    arguments = [inputs / "photo.jpg", "--style", inputs / "painting.jpg", "-o", inputs / "out.png"]
    code, _, err = run(capsys, inputs, "optimize", *arguments)
    assert code == 130
    assert "interrupted" in err
    assert not (inputs / "out.png").exists()


def test_interrupted_between_steps_the_best_picture_is_written(
    capsys, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastnst.commands import optimize as command

    def keep(step: Step, *_: object) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_keep_step", keep)
    arguments = [inputs / "photo.jpg", "--style", inputs / "painting.jpg", "-o", inputs / "out.png", "--curve"]
    code, out, _ = run(capsys, inputs, "optimize", *arguments)
    assert code == 130
    assert "2 steps" in out
    assert open_image(inputs / "out.png").size == (80, 96)


BAD = {
    "matte of another size": (["--content-mask", "{dir}/small.png"], "they must agree"),
    "colour picture as a matte": (["--content-mask", "{dir}/photo.jpg"], "is a colour picture, not a matte"),
    "unknown layer": (["--style-layers", "relu9"], "alexnet has no layer 'relu9'"),
    "zero steps": (["--steps", "0"], "steps must be between 1 and 1,000,000, not 0"),
    "endless steps": (["--steps", "9" * 30], "steps must be between 1 and 1,000,000, not 999"),
    "layers that lead out": (["--style-layers", "../../x"], "no network has a style layer"),
    "no seed": (["--seed", "9" * 30], "seed must be at least 0 and below"),
    "endless size": (["--size", "9" * 30], "size must be between 16 and 100,000 pixels"),
    "zero weights": (["--style-weight", "0", "--content-weight", "0"], "nothing to optimize"),
    "negative weight": (["--style-weight", "-1"], "style_weight must be a finite number"),
    "no number": (["--style-weight", "strong"], "--style-weight takes a number, not 'strong'"),
    "tiny painting": (["--style", "{dir}/tiny.png"], "needs"),
    "existing output": (["-o", "{dir}/photo.jpg"], "exists already"),
    "sweep to a file": (["--style-weight", "1", "2"], "needs a folder, not the file"),
    "missing photo": (["{dir}/missing.jpg"], "cannot be opened"),
    "colour": (["--matte", "{dir}/matte.png", "--background", "blakc"], "unknown colour 'blakc'"),
    "background alone": (["--background", "black"], "needs the person's matte"),
    "film": (["--video", "{dir}/film.avi"], "a film is an .mp4 file"),
    "tap": (["--tap", "pool"], "unknown tap 'pool'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(capsys, inputs: Path, case: str) -> None:
    Image.new("RGB", (4, 4)).save(inputs / "tiny.png")
    Image.new("L", (100, 120)).save(inputs / "matte.png")
    Image.new("L", (50, 40)).save(inputs / "small.png")
    options, message = BAD[case]
    arguments = [argument.format(dir=inputs) for argument in options]
    if not arguments[0].startswith(str(inputs)):
        arguments.insert(0, str(inputs / "photo.jpg"))
    if "--style" not in arguments:
        arguments += ["--style", str(inputs / "painting.jpg")]
    if "-o" not in arguments:
        arguments += ["-o", str(inputs / "out.png")]
    before = sorted(path.name for path in inputs.iterdir())
    code, _, err = run(capsys, inputs, "optimize", *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(path.name for path in inputs.iterdir()) == before
