"""Training end to end on real pixels, with the perceptual network that ships."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fastnst import cli
from fastnst.checkpoints import load_network
from fastnst.losses.objective import Objective
from fastnst.losses.style import StyleTerm
from fastnst.perceptual import PerceptualConfig
from fastnst.reference.config import Settings, perceptual_config, prepare
from fastnst.reference.inputs import open_tensor
from fastnst.runtime import Stylizer
from fastnst.trainer.optimizers import rate_factor
from fastnst.training.module import StyleTraining
from fastnst.training.paintings import open_painting
from tests.training.runs import arguments, train

ROOT = Path(__file__).parents[2]
# The perceptual network that ships once more: by its file, since the same network twice would be one.
SLIM = ROOT / "fastnst" / "perceptual" / "slim.safetensors"
WARMUP = ["--model.warmup_perceptual.name", "slim", "--model.warmup_perceptual.weights_file", str(SLIM)]


def test_two_steps_export_and_a_restyled_photo(
    materials: Path, tmp_path: Path, photo_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(materials, tmp_path, "tiny", 2)
    assert (run / "config.yaml").is_file()
    assert (run / "previews" / "step_000002.jpg").is_file()
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(name.startswith("network.") for name in checkpoint["state_dict"])
    model = tmp_path / "tiny.onnx"
    assert cli.main(["export", str(run / "checkpoints" / "last.ckpt"), "-o", str(model)]) == 0
    assert "agree in" in capsys.readouterr().out
    stylizer = Stylizer(model, "cpu")
    with Image.open(photo_file) as image:
        restyled = stylizer(image)
        assert restyled.size == image.size == (131, 153)
        assert np.asarray(restyled).std() > 1
        network, metadata = load_network(run / "tiny.safetensors")
        padded = np.pad(np.asarray(image), ((0, 3), (0, 1), (0, 0)), mode="reflect")
        with torch.no_grad():
            expected = network(torch.from_numpy(padded / np.float32(255)).permute(2, 0, 1)[None])[0, :, :153, :131]
    levels = (expected.permute(1, 2, 0) * 255).round().numpy()
    assert (np.abs(levels - np.asarray(restyled)) <= 2).mean() > 0.999
    assert stylizer.metadata.steps == metadata.steps == 2
    assert stylizer.metadata.loss_weights["content_layers"] == ["relu4_2"]
    assert set(stylizer.metadata.objective) == {"content", "style", "tv", "total"}
    assert len(stylizer.metadata.painting_sha256) == 64
    assert 0 < stylizer.metadata.training_seconds < 600
    assert stylizer.metadata.hardware.startswith("CPU, ")
    content = model.read_bytes()
    assert str(tmp_path).encode() not in content
    assert str(ROOT).encode() not in content


@pytest.mark.parametrize(
    "options",
    [[], ["--model.optimizer", "muon", *WARMUP, "--model.warmup_perceptual.share", "0.6"]],
)
def test_a_resumed_training_is_the_uninterrupted_one(materials: Path, tmp_path: Path, options: list[str]) -> None:
    whole = train(materials, tmp_path, "whole", 5, *options)
    # Interrupted after two of five steps: the schedule still knows about five.
    cut = ["--trainer.limit_train_batches", "2", "--trainer.max_epochs", "1"]
    part = train(materials, tmp_path, "part", 5, *cut, *options)
    rest = train(materials, tmp_path, "rest", 5, "--ckpt_path", str(part / "checkpoints" / "last.ckpt"), *options)
    expected, found = load_file(whole / "whole.safetensors"), load_file(rest / "rest.safetensors")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    assert not torch.equal(expected["layers.1.0.weight"], load_file(part / "part.safetensors")["layers.1.0.weight"])


def test_the_objective_falls(materials: Path, tmp_path: Path) -> None:
    run = train(materials, tmp_path, "longer", 30, "--trainer.val_check_interval", "10")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    held_out = [event.value for event in events.Scalars("val/total")]
    assert held_out[-1] < 0.8 * held_out[0]
    assert {"train/content", "train/style", "train/tv", "lr-Adam", "train/images_per_second"} <= set(
        events.Tags()["scalars"]
    )
    assert events.Tags()["images"] == ["previews"]


@pytest.mark.slow
def test_two_processes_train_together(materials: Path, tmp_path: Path) -> None:
    options = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    command = [sys.executable, str(ROOT / "train.py"), *arguments(materials, tmp_path, "pair", 2, *options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    _, metadata = load_network(tmp_path / "pair" / "version_0" / "pair.safetensors")
    assert (metadata.steps, metadata.batch_size) == (2, 4)


def test_a_training_may_start_from_another(materials: Path, tmp_path: Path) -> None:
    credits = ["--model.credits.artist", "A Painter", "--model.credits.data", "five prints"]
    first = train(materials, tmp_path, "first", 1, *credits) / "first.safetensors"
    options = ["--init", str(first), "--model.learning_rate", "1e-12"]
    second = train(materials, tmp_path, "second", 1, *options) / "second.safetensors"
    for name, tensor in load_file(first).items():
        assert torch.allclose(tensor, load_file(second)[name], atol=1e-6)
    metadata = load_network(second)[1]
    assert metadata.steps == 2  # of both trainings
    assert metadata.artist == "A Painter"  # of the same painting
    assert metadata.started_from == ""
    assert re.fullmatch(r"five prints; \d+ photos", metadata.data)  # what each learned from


def test_a_style_may_grow_out_of_another_paintings(materials: Path, tmp_path: Path) -> None:
    first = train(materials, tmp_path, "first", 1, "--model.credits.artist", "A Painter") / "first.safetensors"
    Image.effect_mandelbrot((96, 80), (-2, -1, 1, 1), 40).save(tmp_path / "other.png")
    other = ["--painting", str(tmp_path / "other.png")]
    second = train(materials, tmp_path, "second", 1, "--init", str(first), *other) / "second.safetensors"
    third = train(materials, tmp_path, "third", 1, "--init", str(second), *other) / "third.safetensors"
    found = [load_network(path)[1] for path in (second, third)]
    assert [one.steps for one in found] == [1, 2]  # on this painting
    assert [one.started_from for one in found] == ["first", "first"]
    assert [one.artist for one in found] == ["", ""]


class _Judged(StyleTraining):
    """Counts whose opinion was asked."""

    asked: ClassVar[list[str]] = []
    paddings: ClassVar[list[str]] = []

    def _current_objective(self) -> Objective:
        objective = super()._current_objective()
        self.paddings.append(objective.perceptual.padding)
        self.asked.append(
            ("first" if objective is self.warmup_objective else "last") + ("" if self.training else " held-out")
        )
        return objective


def test_the_warmup_network_has_its_share_of_the_steps(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastnst.commands.train.StyleTraining", _Judged)
    options = [*WARMUP, "--model.warmup_perceptual.share", "0.5", "--trainer.val_check_interval", "4"]
    options += ["--model.perceptual.padding", "replicate"]
    run = train(materials, tmp_path, "warmed", 4, *options, "--data.val_limit", "1")
    steps = [one for one in _Judged.asked if "held-out" not in one]
    assert steps == ["first", "first", "last", "last"]
    assert set(_Judged.asked) - set(steps) == {"last held-out"}
    assert set(_Judged.paddings) == {"replicate"}  # of both
    metadata = load_network(run / "warmed.safetensors")[1]
    assert metadata.loss_weights["padding"] == "replicate"
    assert perceptual_config("slim", metadata.loss_weights).padding == "replicate"
    assert metadata.loss_weights["warmup_perceptual"] == {"name": "slim", "share": 0.5}


def test_a_resumed_training_keeps_its_optimizer(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = ["--trainer.limit_train_batches", "1", "--trainer.max_epochs", "1"]
    checkpoint = train(materials, tmp_path, "part", 3, *cut) / "checkpoints" / "last.ckpt"
    options = ["--ckpt_path", str(checkpoint), "--model.optimizer", "muon"]
    assert cli.run("fastnst.commands.train", arguments(materials, tmp_path, "rest", 3, *options), "train.py") == 2
    assert "go on with --model.optimizer adam" in capsys.readouterr().err


def test_a_warmup_network_that_cannot_be_had_names_its_own_options(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", str(tmp_path))  # which has no such file
    given = arguments(materials, tmp_path, "bad", 1, "--model.warmup_perceptual.name", "vgg16")
    assert cli.run("fastnst.commands.train", given, "train.py") == 2
    assert "--model.warmup_perceptual.weights_file FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--naem", "x"], "Did you mean 'name'"),
        (["--model.objective.style_wieght", "3"], "Did you mean 'model.objective.style_weight'"),
        (["--config", "{tmp}/misspelt.yaml"], "Did you mean 'model.learning_rate'"),
        (["--model.objective.style_weight", "-3"], "style_weight must be a finite number of at least 0"),
        (["--model.learning_rate", "-1"], "learning_rate must be above 0"),
        (["--photos", "{tmp}/nowhere"], "does not exist"),
        (["--photos", "{tmp}/empty"], "no photos found"),
        (["--painting", "{tmp}/misspelt.yaml"], "is not a picture"),
        (["--painting", "{tmp}/missing.jpg"], "cannot be opened"),
        (["--model.network.name", "swfit"], "Did you mean 'swift'"),
        (["--perceptual", "vgg91"], "Did you mean 'vgg19'"),
        (["--ckpt_path", "{tmp}/none.ckpt"], "to resume from does not exist"),
        (["--data.image_size", "63"], "multiple of 4"),
        (["--model.optimizer", "mouon"], "Did you mean 'muon'"),
        (["--model.warmup_perceptual.name", "slm"], "Did you mean 'slim'"),
        (["--model.style_trim", "0.5"], "style_trim must be from 0 to less than 0.5"),
        (["--model.warmup_perceptual.share", "2"], "warmup_perceptual.share must be between 0 and 1"),
        (["--init", "{tmp}/misspelt.yaml"], "is not a fastnst checkpoint"),
    ],
)
def test_bad_input_is_one_sentence(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "misspelt.yaml").write_text("model:\n  lerning_rate: 0.1\n")
    given = arguments(materials, tmp_path, "bad", 1, *(option.format(tmp=tmp_path) for option in options))
    assert cli.run("fastnst.commands.train", given, "train.py") == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "bad").exists()


def test_a_trimmed_painting_has_no_frame(tmp_path: Path) -> None:
    painting = Image.new("RGB", (200, 100), "white")
    painting.paste((200, 30, 30), (20, 10, 180, 90))
    painting.save(tmp_path / "framed.png")
    whole, inside = (open_painting(str(tmp_path / "framed.png"), 160, trim) for trim in (0, 0.1))
    assert whole.shape == inside.shape == (3, 80, 160)
    assert (whole[1] > 0.9).mean() > 0.2
    assert np.allclose(inside[1], 30 / 255)
    settings = Settings(size=160, style_size=160, style_trim=0.1, perceptual=PerceptualConfig("slim"))
    style = prepare(settings, [tmp_path / "framed.png"]).terms["style"]
    assert isinstance(style, StyleTerm)
    assert style.target("relu1_1").isfinite().all()
    assert np.allclose(open_tensor(tmp_path / "framed.png", 160, 0.1)[0].numpy(), inside, atol=2 / 255)


def test_the_rate_rises_then_falls() -> None:
    factors = [rate_factor(step, 100, 0.1, 0.01) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.01, abs=1e-3)


def test_shipped_configurations_are_valid(materials: Path, tmp_path: Path) -> None:
    recipes = [*(ROOT / "configs").glob("*.yaml"), *(ROOT / "configs" / "styles").glob("*.yaml")]
    others = {"start.yaml", "start-s.yaml", "predictor.yaml", "predictor-s.yaml"}  # of other commands
    for config in sorted(recipe for recipe in recipes if recipe.name not in others):
        options = ["fit", "--config", str(config), "--painting", "x.jpg", "--print_config"]
        assert cli.run("fastnst.commands.train", options, "train.py") == 0


def test_ctrl_c_keeps_a_checkpoint_to_go_on_from(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(materials, tmp_path, "uninterrupted", 5)
    original = StyleTraining.training_step

    def interrupted(self: StyleTraining, photos: torch.Tensor, index: int) -> torch.Tensor:
        if self.global_step == 3:
            raise KeyboardInterrupt
        return original(self, photos, index)

    with monkeypatch.context() as patched:
        patched.setattr(StyleTraining, "training_step", interrupted)
        code = cli.run("fastnst.commands.train", arguments(materials, tmp_path, "stopped", 5), "train.py")
    assert code == 130
    stopped = tmp_path / "stopped" / "version_0"
    assert load_network(stopped / "stopped.safetensors")[1].steps == 3
    resume = ["--ckpt_path", str(stopped / "checkpoints" / "last.ckpt")]
    rest = load_file(train(materials, tmp_path, "continued", 5, *resume) / "continued.safetensors")
    for name, tensor in load_file(whole / "uninterrupted.safetensors").items():
        assert torch.equal(tensor, rest[name]), name
