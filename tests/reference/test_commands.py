"""The reference commands as a user meets them: sheets, tables, films, reports, and bad input."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from fastnst import cli
from fastnst.commands.optimize import RecipeOptions
from fastnst.errors import ConfigError
from fastnst.images.decode import open_image
from fastnst.losses.objective import Objective
from fastnst.perceptual.network import ARCHITECTURES, TORCHVISION, PerceptualNetwork
from fastnst.reference import config as settings
from fastnst.reference.optimize import Step
from fastnst.reference.recipes import NoExtras, read_variants
from tests.conftest import write_model
from tests.test_perceptual import random_state


@pytest.fixture
def inputs(tmp_path: Path, photo: Image.Image) -> Path:
    settings._opened.cache_clear()
    save_file(random_state("alexnet"), tmp_path / "alexnet.safetensors")
    photo.resize((100, 120)).save(tmp_path / "photo.jpg")
    photo.rotate(90).resize((110, 90)).save(tmp_path / "painting.jpg")
    (tmp_path / "recipe.yaml").write_text(
        "perceptual: alexnet\ncontent_layers: [relu3]\nstyle_layers: [relu1, relu2]\nsteps: 4\nsize: 96\n"
    )
    return tmp_path


def run(capsys, inputs: Path, command: str, *arguments: object) -> tuple[int, str, str]:
    recipe = ["--config", inputs / "recipe.yaml", "--perceptual-weights", inputs / "alexnet.safetensors"]
    code = cli.main([command, *map(str, [*arguments, *recipe])])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


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


@pytest.mark.parametrize(("value", "projected"), [("false", False), ("true", True), ("no", False)])
def test_booleans_are_booleans(inputs: Path, value: str, projected: bool) -> None:
    (found,), _ = read_variants(None, {"projected": [value]}, NoExtras())
    assert found.settings.descent.projected is projected
    (inputs / "projected.yaml").write_text(f"projected: {value}\n")
    (found,), _ = read_variants(inputs / "projected.yaml", {}, NoExtras())
    assert found.settings.descent.projected is projected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps: many", "steps takes a whole number, not 'many'"),
        ("steps: 4.5", "steps takes a whole number, not '4.5'"),
        ("projected: maybe", "projected takes true or false, not 'maybe'"),
        ("content_layers: relu3", "content_layers takes a list of names, not 'relu3'"),
        ("content_layers: {relu3: 1}", "content_layers takes a list of names, not"),
        ("style_layer_weights: [1, much]", "style_layer_weights takes a list of numbers, not"),
        ("every: often", "every takes a whole number, not 'often'"),
        ("curve: 7", "curve takes true or false, not '7'"),
        ("size: [256]", "size takes a whole number, not '[256]'"),
        ("sweep: [tap]", "sweep must map settings to lists of values"),
        ("sweep: {tpa: [conv]}", "sweep has an unknown key 'tpa'. Did you mean 'tap'"),
        ("temporal_weight: 4", "unknown key 'temporal_weight'"),  # a term of trainings
        ("padding: mirror", "padding takes zeros or replicate, not 'mirror'"),
    ],
)
def test_recipe_values_of_the_wrong_type_are_one_sentence(inputs: Path, line: str, message: str) -> None:
    recipe = inputs / "wrong.yaml"
    recipe.write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_variants(recipe, {}, RecipeOptions())


def test_recipes_build_on_others_as_training_recipes_do(inputs: Path) -> None:
    (inputs / "base.yaml").write_text("steps: 7\nstyle_weight: 3\ncurve: true\n")
    (inputs / "child.yaml").write_text("base: base.yaml\nstyle_weight: 1e2\n")
    (found,), own = read_variants(inputs / "child.yaml", {"seed": ["5"]}, RecipeOptions(curve=False))
    assert (found.settings.descent.steps, found.settings.descent.seed) == (7, 5)
    assert found.settings.objective.weights["style"] == 100
    assert own.curve is False  # given: the recipe's does not win


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
    "zero steps": (["--steps", "0"], "steps must be at least 1, not 0"),
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


def test_a_misspelt_recipe_names_the_nearest_key(capsys, inputs: Path) -> None:
    (inputs / "recipe.yaml").write_text("style_wieght: 3\n")
    code, _, err = run(
        capsys, inputs, "optimize", inputs / "photo.jpg", "--style", inputs / "painting.jpg", "-o", inputs / "o.png"
    )
    assert code == 2
    assert "unknown key 'style_wieght'. Did you mean 'style_weight'" in err


def test_shipped_recipes_are_valid(inputs: Path) -> None:
    from fastnst.commands.optimize import build_parser, read_request

    recipes = sorted((Path(__file__).parents[2] / "configs" / "reference").glob("*.yaml"))
    assert len(recipes) >= 5
    for recipe in recipes:
        options = build_parser("x").parse_args(["p.jpg", "--style", "s.jpg", "-o", "o.png", "--config", str(recipe)])
        for variant in read_request(options)[1]:
            asked = variant.settings
            layers = [*asked.objective.content_layers, *asked.objective.style_layers]
            PerceptualNetwork(ARCHITECTURES[asked.perceptual.name], TORCHVISION).check_layers(layers)


@pytest.mark.slow
def test_compare_measures_a_model_against_the_reference(
    capsys, inputs: Path, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastnst.runtime.models.metadata import StyleMetadata

    metadata = StyleMetadata(
        name="negative", perceptual="alexnet",
        loss_weights={"content_layers": ["relu3"], "style_layers": ["relu1", "relu2"], "style_size": 96},
    )  # fmt: skip
    model = write_model(inputs / "negative.onnx", properties=metadata.to_properties())
    (inputs / "photos").mkdir()
    for number in range(2):
        name = ("<script>", "plain")[number]
        photo.crop((number * 50, 0, number * 50 + 200, 220)).save(inputs / "photos" / f"{name}.jpg")
    arguments = ["compare", model, "--photos", inputs / "photos", "--painting", inputs / "painting.jpg"]
    arguments += [
        "-o",
        inputs / "report",
        "--size",
        96,
        80,
        "--steps",
        6,
        "--refine",
        3,
        "--check",
        "--provider",
        "cpu",
    ]
    save_file(random_state("vgg16"), inputs / "vgg16.safetensors")
    arguments += ["--perceptual-weights", inputs / "alexnet.safetensors"]
    weights = ["--second-weights", inputs / "vgg16.safetensors"]
    arguments += ["--second", "vgg16"]
    assert cli.main([str(argument) for argument in (*arguments, *weights)]) == 0
    assert "about" in capsys.readouterr().err
    numbers = json.loads((inputs / "report" / "report.json").read_text())
    assert len(numbers["curve"]) == 6
    assert numbers["photos"] == 2
    assert numbers["second_perceptual"] == "vgg16:imagenet"
    measures = numbers["measures"]
    assert measures["photo"]["second_content"] == 0 < measures["network"]["second_content"]
    assert measures["photo"]["ssim"] > 0.999 > measures["network"]["ssim"]
    assert set(numbers["frontier"]) == {"photo", "noise", "refined", "adam", "strong_wolfe"}
    assert numbers["frontier"]["refined"]["objective"][0] == pytest.approx(numbers["network_objective"]["total"])
    assert numbers["frontier"]["refined"]["seconds"][0] > numbers["network_seconds"]
    assert {"lpips", "cfsd", "swd", "second_style"} <= measures["refined"].keys()
    assert measures["photo"]["lpips"] == 0 < measures["network"]["lpips"]
    assert [(size["size"], size["photos"]) for size in numbers["at_sizes"]] == [(96, 2), (80, 2)]
    counts = [one["equivalent"]["photo"] for one in numbers["per_photo"]]
    known = [count for count in counts if count is not None]
    assert numbers["lbfgs_equivalent"] == (pytest.approx(np.median(known)) if len(known) == 2 else None)
    page = (inputs / "report" / "report.html").read_text()
    assert "L-BFGS from the photo" in page
    assert "&lt;script&gt;.jpg" in page
    assert "<script>.jpg" not in page
    assert len(numbers["noise_curve"]) == 6
    assert numbers["noise_curve"][0] != numbers["curve"][0]
    assert page.count("data:image/jpeg;base64") == 1 + 2 * 5
    assert "http://" not in page
    assert "https://" not in page
    # The same descents again come from the cache, for any style of this painting and objective.
    monkeypatch.setattr("fastnst.reference.curves.optimize", lambda *_, **__: pytest.fail("it is in the cache"))
    again = ["--overwrite", "--no-adam", "--size", 96]
    assert cli.main([str(argument) for argument in (*arguments, *weights, *again)]) == 0
    assert json.loads((inputs / "report" / "report.json").read_text())["curve"] == numbers["curve"]
    monkeypatch.undo()
    monkeypatch.setenv("FASTNST_CACHE", str(inputs / "cache"))
    arguments[arguments.index("--second") + 1] = "auto"
    arguments += ["--start", "noise", "--steps", 2, "--overwrite"]
    monkeypatch.setenv("FASTNST_MIRROR", str(inputs))  # which has no such file
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == 0
    note = capsys.readouterr().err
    assert "vgg16:random is the second perceptual network" in note
    assert "--second-weights FILE" in note
    from_noise = json.loads((inputs / "report" / "report.json").read_text())
    assert (numbers["start"], from_noise["start"]) == ("both", "noise")
    assert from_noise["curve"][0] > numbers["curve"][0]
    assert "L-BFGS from noise" in (inputs / "report" / "report.html").read_text()


def test_a_blind_page_has_every_pair_and_no_name(capsys, inputs: Path, photo: Image.Image) -> None:
    from fastnst.runtime.models.metadata import StyleMetadata

    for name in ("one", "other"):
        write_model(inputs / f"{name}.onnx", properties=StyleMetadata(name=name).to_properties())
    (inputs / "photos").mkdir()
    for number in range(2):
        photo.crop((number * 50, 0, number * 50 + 200, 220)).save(inputs / "photos" / f"{number}.jpg")
    arguments = ["compare", inputs / "one.onnx", "--photos", inputs / "photos", "--painting", inputs / "painting.jpg"]
    arguments += ["-o", inputs / "blind", "--size", 96, "--provider", "cpu", "--blind"]
    assert cli.main([*map(str, arguments), str(inputs / "other.onnx")]) == 0
    assert "2 pairs" in capsys.readouterr().out
    page = (inputs / "blind" / "blind.html").read_text()
    study = json.loads(re.search(r'id="study">(.*?)</script>', page, re.DOTALL)[1])
    assert study["ways"] == ["one", "other"]
    assert len(study["photos"]) == 2
    assert ">one<" not in page  # names are in the data, not on the page
    for more, message in (
        ([], "needs two"),
        ([str(inputs / "one.onnx")], "stands twice"),
        (["reference"], "carries no loss weights"),
    ):
        assert cli.main([*map(str, arguments), *more, "--overwrite"]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_compare_shows_portraits_with_and_without_background(capsys, inputs: Path, photo: Image.Image) -> None:
    from fastnst.runtime.models.metadata import StyleMetadata

    model = write_model(inputs / "negative.onnx", properties=StyleMetadata(name="negative").to_properties())
    for folder in ("photos", "mattes"):
        (inputs / folder).mkdir()
    photo.resize((100, 120)).save(inputs / "photos" / "a.jpg")
    matte = Image.new("L", (100, 120))
    matte.paste(255, (20, 20, 80, 120))
    matte.save(inputs / "mattes" / "a.png")
    arguments = ["--photos", inputs / "photos", "--painting", inputs / "painting.jpg", "-o", inputs / "report"]
    arguments += ["--portrait", "--mattes", inputs / "mattes", "--size", 90, "--provider", "cpu"]
    code, _, error = run(capsys, inputs, "compare", model, *arguments)
    assert code == 0, error
    (found,) = json.loads((inputs / "report" / "portraits.json").read_text())
    for kind in ("kept", "removed"):
        assert found[kind]["optimized"]["total"] < found[kind]["network"]["total"]
    assert found["kept"] != found["removed"]
    sheet = open_image(inputs / "report" / "portraits.jpg")
    assert sheet.width > 3 * 300
    assert np.asarray(sheet)[sheet.height // 2 :, :300].min(axis=2).min() < 20  # the removed background is black
    Image.new("L", (100, 120)).save(inputs / "mattes" / "a.png")
    code, _, error = run(capsys, inputs, "compare", model, *arguments, "--overwrite")
    assert code == 2
    assert "nobody is found in a.jpg" in error
    (inputs / "mattes" / "a.png").rename(inputs / "mattes" / "b_alpha.png")
    code, _, error = run(capsys, inputs, "compare", model, *arguments, "--overwrite")
    assert code == 2
    assert "holds no matte for a.jpg: call it a.png or a_alpha.png" in error


def test_preview_shows_three_weights(capsys, inputs: Path) -> None:
    training = inputs / "training.yaml"
    training.write_text(
        "perceptual: alexnet\nmodel:\n  style_size: 96\n  objective:\n    content_layers: [relu3]\n"
        "    style_layers: [relu1, relu2]\n    style_weight: 6.0\n"
    )
    (inputs / "photos").mkdir()
    open_image(inputs / "photo.jpg").save(inputs / "photos" / "a.jpg")
    arguments = ["preview", inputs / "painting.jpg", "--photos", inputs / "photos", "--config", training, "--steps", 2]
    arguments += ["--perceptual-weights", inputs / "alexnet.safetensors", "-o", inputs / "look.jpg", "--size", 80]
    assert cli.main([str(argument) for argument in arguments]) == 0
    assert "2, 6, 18" in capsys.readouterr().out
    for options, message in (
        (["--count", "-1"], "--count must be at least 1, not -1"),
        (["--steps", "0"], "--steps must be at least 1, not 0"),
    ):
        assert cli.main([*map(str, arguments), "--overwrite", *options]) == 2
        assert message in capsys.readouterr().err
    training.write_text("model:\n  objective:\n    style_weight: strong\n")
    assert cli.main([*map(str, arguments), "--overwrite"]) == 2
    assert "model.objective.style_weight takes a number, not 'strong'" in capsys.readouterr().err
    assert open_image(inputs / "look.jpg").width > 1000
