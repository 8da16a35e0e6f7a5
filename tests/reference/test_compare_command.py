"""`fastnst compare` and `preview` as a user meets them: reports, blind pages, sheets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from fastnst import cli
from fastnst.images.decode import open_image
from tests.conftest import write_model
from tests.reference.commands import run
from tests.test_perceptual import random_state


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
