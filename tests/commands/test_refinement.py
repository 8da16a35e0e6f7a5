"""`stylize --refine`: pictures get closer to what the style was trained on; a sentence for what cannot be refined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from fastnst import cli
from fastnst.commands import refinement
from fastnst.images.decode import open_image
from fastnst.losses.objective import Objective
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.reference.config import trained_settings
from fastnst.reference.refine import as_tensor
from tests.style_models import write_style
from tests.test_perceptual import random_state

LAYERS = {"content_layers": ["relu3"], "style_layers": ["relu1", "relu2"], "style_size": 96}


@pytest.fixture
def inputs(tmp_path: Path, photo: Image.Image) -> Path:
    (tmp_path / "photos").mkdir()
    photo.resize((96, 80)).save(tmp_path / "photos" / "one.png")
    photo.rotate(90).resize((110, 90)).save(tmp_path / "painting.png")
    save_file(random_state("alexnet"), tmp_path / "alexnet.safetensors")
    write_style(tmp_path / "negative.onnx", negative=True, perceptual="alexnet", loss_weights=LAYERS)
    return tmp_path


def stylize(capsys: pytest.CaptureFixture[str], inputs: Path, *arguments: object) -> tuple[int, str, str]:
    argv = ["stylize", *map(str, arguments), "--provider", "cpu"]
    if "--style" not in argv:
        argv += ["--style", str(inputs / "negative.onnx")]
    code = cli.main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refined(inputs: Path, steps: int = 5) -> list[object]:
    weights = ["--perceptual-weights", inputs / "alexnet.safetensors"]
    return ["--refine", steps, "--painting", inputs / "painting.png", *weights]


def objective_of(inputs: Path, result: Path) -> float:
    weights = str(inputs / "alexnet.safetensors")
    settings = trained_settings("alexnet", LAYERS, 96, weights)
    objective = Objective(build_perceptual(PerceptualConfig("alexnet", weights_file=weights)), settings.objective)
    objective.set_style([as_tensor(np.asarray(open_image(inputs / "painting.png").resize((96, 79))))])
    photo = as_tensor(np.asarray(open_image(inputs / "photos" / "one.png")))
    return float(objective(as_tensor(np.asarray(open_image(result))), objective.content_target(photo)).total)


def test_a_refined_picture_has_a_lower_objective(capsys, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[float] = []
    reach = refinement.Refiner._reach
    monkeypatch.setattr(
        refinement.Refiner, "_reach", lambda self, done, text="": (shown.append(done), reach(self, done, text))[1]
    )
    photo = inputs / "photos" / "one.png"
    plain, better = inputs / "plain.png", inputs / "better.png"
    assert stylize(capsys, inputs, photo, "-o", plain)[0] == 0
    assert not shown
    code, text, _ = stylize(capsys, inputs, photo, "-o", better, *refined(inputs))
    assert code == 0
    assert "1 picture" in text
    assert shown == [0, 1, 2, 3, 4, 5]
    assert objective_of(inputs, better) < 0.9 * objective_of(inputs, plain)
    # What is adjusted is the refined picture: no strength leaves the photo.
    assert stylize(capsys, inputs, photo, "-o", inputs / "none.png", *refined(inputs), "--strength", 0)[0] == 0
    assert np.array_equal(open_image(inputs / "none.png"), open_image(photo))


def test_in_a_batch_a_bad_file_does_not_end_the_rest(capsys, inputs: Path) -> None:
    Image.new("RGB", (20, 20)).save(inputs / "photos" / "small.png")
    (inputs / "photos" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, text, error = stylize(capsys, inputs, inputs / "photos", "-o", inputs / "out", *refined(inputs, 2))
    assert code == 1
    assert "1 picture, 2 failed" in text
    assert "small.png: " in error
    assert [path.name for path in (inputs / "out").iterdir()] == ["one_negative.png"]


def test_ctrl_c_keeps_the_best_picture_so_far(capsys, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: refinement.Refiner, done: int, text: str = "") -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(refinement.Refiner, "_reach", interrupt)
    photo, result = inputs / "photos" / "one.png", inputs / "out.png"
    code, text, _ = stylize(capsys, inputs, photo, "-o", result, *refined(inputs))
    assert code == 130
    assert "refined for 2 of 5 iterations: interrupted" in text
    assert result.exists()
    open_image(photo).save(inputs / "photos" / "two.png")
    assert stylize(capsys, inputs, inputs / "photos", "-o", inputs / "out", *refined(inputs))[0] == 130
    assert len(list((inputs / "out").iterdir())) == 1


def test_what_cannot_be_refined_is_told_in_a_sentence(capsys, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, out = inputs / "photos" / "one.png", ["-o", inputs / "out.png"]
    whole = refined(inputs)

    def message_of(*arguments: object) -> str:
        code, _, error = stylize(capsys, inputs, *arguments)
        assert code == 2
        assert not (inputs / "out.png").exists()
        return error

    assert "--painting FILE" in message_of(photo, *out, "--refine", 5)
    assert "at least 1 iteration, not 0" in message_of(photo, *out, *refined(inputs, 0))
    assert "--painting belongs to --refine" in message_of(photo, *out, *whole[2:])
    mix = f"{inputs / 'negative.onnx'}:1,{write_style(inputs / 'plain.onnx')}:1"
    assert "one --style, and no mix" in message_of(photo, *out, *whole, "--style", mix)
    assert "does not say what it was trained on" in message_of(photo, *out, *whole, "--style", inputs / "plain.onnx")
    assert "missing.png" in message_of(photo, *out, "--refine", 5, "--painting", inputs / "missing.png", *whole[4:])
    Image.new("RGB", (32, 32)).save(inputs / "clip.gif", save_all=True, append_images=[Image.new("RGB", (32, 32), 1)])
    assert "--refine is for photos" in message_of(inputs / "clip.gif", "-o", inputs / "clip.mp4", *whole)
    monkeypatch.setattr("fastnst.commands.options.refine.find_spec", lambda name: None)
    assert 'pip install "fastnst[train]"' in message_of(photo, *out, *whole)


def test_a_perceptual_network_that_cannot_be_had_is_named_with_its_option(
    capsys, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", str(inputs))  # which has no such file
    photo, options = inputs / "photos" / "one.png", refined(inputs)[:4]
    code, _, error = stylize(capsys, inputs, photo, "-o", inputs / "out.png", *options)
    assert code == 2
    assert "trained with alexnet" in error
    assert error.rstrip().endswith("--perceptual-weights FILE.")
