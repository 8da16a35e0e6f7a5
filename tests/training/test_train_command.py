"""The command line of trainings: what it takes, refuses, keeps and names."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import fastnst
from fastnst import cli
from fastnst.commands.train import style_name, with_paintings, with_recipe
from fastnst.errors import ConfigError
from fastnst.trainer.run_files import last_whole_checkpoint, next_version
from tests.training.runs import arguments, train


def refused(capsys: pytest.CaptureFixture[str], *given: object) -> str:
    assert cli.main(["train", *map(str, given)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("fastnst: ")
    return lines[-1]


def test_paintings_stand_by_themselves() -> None:
    assert with_paintings(["a.jpg", "b.jpg", "--photos", "p"]) == ["--photos", "p", "--painting", "a.jpg", "b.jpg"]
    assert with_paintings(["fit", "--config", "style", "a.jpg", "--steps=5"])[-2:] == ["--painting", "a.jpg"]
    same = ["--painting", "a.jpg", "b.jpg", "--x", "-5", "--trust-config", "--help"]
    assert with_paintings(same) == same
    with pytest.raises(ConfigError, match="given twice"):
        with_paintings(["a.jpg", "--painting", "b.jpg"])


def test_the_help_says_what_the_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    short = capsys.readouterr().out
    assert short.startswith("usage: fastnst train PAINTING")
    assert "learns to restyle" in short
    assert "Lightning Trainer command line" not in short
    assert "--trainer.max_time" not in short
    assert cli.main(["train", "--help-all"]) == 0
    assert "--trainer.max_time" in capsys.readouterr().out


RECIPES = {
    "data: 3": "must hold keys and values under 'data', not '3'",
    "trainer: other.yaml": "must hold keys and values under 'trainer'",
    "trainer: {logger: /dev/null}": "neither a file nor a folder",
    "painting: true": "must name files as its painting",
    "modle: {style_size: 96}": "Did you mean 'model.style_size'",
    "model: {style_size: big}": "model.style_size takes a whole number, not 'big'",
    "steps: 0": "steps",
    "name: ../../evil": "cannot be a folder's",
    "seed_everything: -5": "must be from 0",
    "trainer: {strategy: quantum}": "the trainer cannot be set up",
    "trainer: {callbacks: [{class_path: subprocess.Popen, init_args: {args: [touch, x]}}]}": "names 'subprocess.Popen'",
    "trainer: {callbacks: [{class_path: pytorch_lightning.callbacks.LambdaCallback,"
    " init_args: {setup: os.system}}]}": "names 'os.system'",
    "trainer: {callbacks: named_by_a_recipe.Callback}": "names 'named_by_a_recipe.Callback'",
    "model: {network: {class_path: named_by_a_recipe.Network}}": "names 'named_by_a_recipe.Network'",
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_that_is_wrong_or_not_to_be_trusted(
    recipe: str, materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "code_was_run"
    (tmp_path / "named_by_a_recipe.py").write_text(f"open({str(marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe)
    given = [*arguments(materials, tmp_path / "runs", "refused", 1), "--config", file]
    for option in recipe.split(":")[:1]:  # the recipe's own value, not the command line's
        if f"--{option}" in given:
            place = given.index(f"--{option}")
            del given[place : place + 2]
    assert RECIPES[recipe] in refused(capsys, *given)
    assert not marker.exists()
    assert not (tmp_path / "runs").exists()


def test_no_logger_a_checkpoint_callback_of_ones_own_and_a_class_that_is_trusted(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_and_trusted.py").write_text(
        "import pytorch_lightning as pl\nimport pathlib\n\n\nclass Marks(pl.Callback):\n"
        f"    def on_train_end(self, *_):\n        pathlib.Path({str(tmp_path / 'marked')!r}).touch()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    own = {"class_path": "ModelCheckpoint", "init_args": {"dirpath": str(tmp_path / "own"), "every_n_train_steps": 1}}
    callbacks = [own, {"class_path": "named_and_trusted.Marks"}]
    recipe.write_text(yaml.safe_dump({"trainer": {"logger": False, "callbacks": callbacks}}))
    run = train(materials, tmp_path, "quiet", 1, "--config", str(recipe), "--trust-config")
    assert run == tmp_path / "quiet" / "version_0"
    assert {path.name for path in run.iterdir()} == {"previews", "checkpoints", "config.yaml", "quiet.safetensors"}
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert list((tmp_path / "own").glob("*.ckpt"))
    assert (tmp_path / "marked").exists()
    assert next_version(run.parent) == run.parent / "version_1"


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_names_it(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = torch.save

    def fills_up(checkpoint: dict[str, Any], file: Any) -> None:
        if checkpoint["global_step"] >= 2:
            file.write(b"PK\3\4 half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(checkpoint, file)

    monkeypatch.setattr(torch, "save", fills_up)
    given = arguments(materials, tmp_path, "full", 3, "--checkpoint_every", "1")
    message = refused(capsys, *given)
    folder = tmp_path / "full" / "version_0" / "checkpoints"
    assert "No space left on device" in message
    assert f"--ckpt_path {folder}" in message
    kept = last_whole_checkpoint(folder.parent)
    assert kept is not None
    assert str(kept) in message
    assert torch.load(kept, weights_only=True)["global_step"] == 1
    assert not list(folder.glob(".*"))


@pytest.mark.slow
def test_a_style_is_trained_and_exported_from_python(materials: Path, tmp_path: Path) -> None:
    settings = {
        "perceptual": "slim",
        "model": {"network": {"options": {"width": 32, "blocks": 1}}, "style_size": 96},
        "data": {"image_size": 64, "batch_size": 2, "workers": 0},
        "trainer": {
            "precision": "32-true",
            "accelerator": "cpu",
            "val_check_interval": 1,
            "enable_progress_bar": False,
        },
    }
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("init: null\nsteps: 9\nseed_everything: 3\n")
    trained = fastnst.train(
        materials / "painting.jpg",
        str(materials / "photos"),
        name="called",
        recipe=recipe,
        steps=1,
        output=tmp_path / "runs",
        settings=settings,
    )
    assert trained.folder == tmp_path / "runs" / "called" / "version_0"
    assert trained.network.is_file()
    assert trained.checkpoint.is_file()
    assert set(trained.objective) == {"content", "style", "tv", "total"}
    model = fastnst.export(str(trained.network), tmp_path / "called.onnx", name="renamed")
    assert fastnst.Stylizer(model, "cpu").metadata.name == "renamed"
    with pytest.raises(ConfigError, match=r"Did you mean 'model\.style_size'"):
        fastnst.train(materials / "painting.jpg", materials / "photos", settings={"model": {"stlye_size": 96}})


def test_a_training_that_cannot_begin_leaves_nothing(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = arguments(materials, tmp_path / "runs", "never", 2)
    for option, value, message in (
        ("--model.painting_weights", "[1,2]", "weight"),
        ("--data.seed", "-1", "seed must be at least 0"),
        ("--model.learning_rate", ".inf", "finite"),
        ("--trainer.accumulate_grad_batches", "0", "at least 1, not 0"),
        ("--trainer.accelerator", "tpu", "cannot be set up"),
        ("--steps", "9" * 30, "steps must be from 1"),
        ("--trainer.default_root_dir", "/dev/null", "is not a folder"),
    ):
        assert message in refused(capsys, *given, option, value)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no checkpoint",
        {"state_dict": {}},
        {"state_dict": [], "callbacks": 3, "pytorch-lightning_version": "2.6.0"},
    ],
)
def test_a_checkpoint_that_is_none(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | dict[str, Any]
) -> None:
    path = tmp_path / "a.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    given = arguments(materials, tmp_path / "runs", "resumed", 1, "--ckpt_path", str(path))
    assert f"the checkpoint {path} is not one of this training" in refused(capsys, *given)
    assert not (tmp_path / "runs").exists()


def test_a_painting_alone_means_the_quick_start() -> None:
    assert with_recipe(["--painting", "a.jpg"]) == ["--config", "quickstart", "--painting", "a.jpg"]
    for more in (["--config", "style"], ["--model.style_size", "96"], ["--help"]):
        assert with_recipe([*more, "--painting", "a.jpg"]) == [*more, "--painting", "a.jpg"]
    assert with_recipe(["--help"]) == ["--help"]


def test_a_style_is_named_after_its_painting() -> None:
    assert style_name(["some/van-gogh_Olive grove.jpg", "b.jpg"]) == "van_gogh_olive_grove"
    assert style_name(["名.png"]) == "mine"
    assert style_name([]) == "mine"
