"""`make zoo` on two tiny styles: made once, measured, shipped or refused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ConfigError
from fastnst.runtime import StyleModel

ROOT = Path(__file__).parents[1]


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with its commands run in this process and written down in `calls`."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    module = importlib.import_module("zoo")
    calls: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        calls.append(arguments)
        return cli.main(arguments)

    monkeypatch.setattr(importlib.import_module("zoo_commands"), "run_command", run)
    monkeypatch.setattr(module, "calls", calls, raising=False)
    return module


@pytest.fixture
def given(tmp_path: Path, photo: Image.Image) -> list[str]:
    """The options of a zoo of two styles that train for two steps."""
    for name in ("a", "b"):
        (tmp_path / "paintings").mkdir(exist_ok=True)
        photo.rotate(90 if name == "a" else 180).resize((96, 80)).save(tmp_path / "paintings" / f"{name}.jpg")
        recipe = tmp_path / "configs" / "styles" / f"{name}.yaml"
        recipe.parent.mkdir(parents=True, exist_ok=True)
        recipe.write_text(
            f"base: ../style.yaml\nname: {name}\npainting: [{name}.jpg]\nmodel: {{credits: {{title: T}}}}\n"
        )
    (tmp_path / "configs" / "styles" / "b.md").write_text("It needed more.")
    (tmp_path / "configs" / "style.yaml").write_text(
        "perceptual: slim\nsteps: 2\ncheckpoint_every: 1\n"
        "model: {style_size: 96, network: {name: swift-s, options: {blocks: 1}}}\n"
        "data: {image_size: 64, batch_size: 2, workers: 0}\ntrainer: {val_check_interval: 2}\n"
    )
    for part in ("train", "val"):
        (tmp_path / "photos" / part).mkdir(parents=True)
        for number in range(3):
            photo.crop((40 * number, 0, 40 * number + 120, 100)).save(tmp_path / "photos" / part / f"{number}.jpg")
    return [
        "--paintings", str(tmp_path / "paintings"), "--photos", str(tmp_path / "photos"),
        "--recipes", str(tmp_path / "configs" / "styles"), "--work", str(tmp_path / "work"),
        "--weights", str(tmp_path / "weights"), "--photo", str(tmp_path / "photos" / "val" / "0.jpg"),
        "--train", "--trainer.accelerator cpu --trainer.precision 32-true",
        "--compare", "--steps 2 --count 1 --size 96 --second none --provider cpu --start noise",
    ]  # fmt: skip


@pytest.mark.slow
def test_styles_are_made_once_and_ship_if_they_pass(
    zoo: Any, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zoo.main(given) == 1  # after two steps nobody reaches the gates
    summary = capsys.readouterr().out.split("\n\n")[-1]
    assert "refused: N_eq" in summary
    assert "is below 50 (CPU)" in summary
    assert not list((tmp_path / "weights").glob("*"))
    made = ["train", "export", "compare", "export", "card"]  # N_eq goes into the file
    assert [call[0] for call in zoo.calls] == [*made, "train", "export", "compare", "card"]  # of b it is not reached
    zoo.calls.clear()
    for name in ("EQUIVALENT_ON_CPU", "LARGEST_GRID", "LARGEST_BORDER", "MOST_BLOBS"):
        monkeypatch.setattr(sys.modules["gates"], name, 0 if name == "EQUIVALENT_ON_CPU" else 1e9)
    assert zoo.main(given) == 0
    assert [call[0] for call in zoo.calls] == ["card", "card"]  # everything else was there
    shipped = sorted(path.name for path in (tmp_path / "weights").iterdir())
    assert shipped == ["a.jpg", "a.md", "a.onnx", "b.jpg", "b.md", "b.onnx"]
    assert "It needed more." in (tmp_path / "weights" / "b.md").read_text()
    described = StyleModel(tmp_path / "weights" / "a.onnx", "cpu").metadata
    assert (described.steps, described.data) == (2, "3 photos")
    assert described.lbfgs_equivalent is not None


@pytest.mark.slow
def test_styles_are_trained_together_and_made_one_by_one(zoo: Any, given: list[str], tmp_path: Path) -> None:
    (tmp_path / "paintings" / "none.jpg").touch()
    broken = tmp_path / "configs" / "styles" / "c.yaml"
    broken.write_text("base: ../style.yaml\nname: c\npainting: [missing.jpg]\n")
    assert zoo.main([*given, "--together"]) == 1
    assert [call[0] for call in zoo.calls] == [
        "train",
        "export",
        "compare",
        "export",
        "card",
        "export",
        "compare",
        "card",
    ]
    assert "--styles" in zoo.calls[0]
    assert {path.name for path in (tmp_path / "work").glob("*/*.onnx")} == {"a.onnx", "b.onnx"}


@pytest.mark.slow
def test_an_interrupted_training_goes_on(
    zoo: Any, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fastnst.training.module import StyleTraining

    original = StyleTraining.training_step

    def interrupted(self: StyleTraining, photos: Any, index: int) -> Any:
        if self.global_step == 1:
            raise KeyboardInterrupt
        return original(self, photos, index)

    with monkeypatch.context() as patched:
        patched.setattr(StyleTraining, "training_step", interrupted)
        assert zoo.main([*given, "--styles", "a"]) == 130
    assert "interrupted\n" in capsys.readouterr().out
    zoo.calls.clear()
    assert zoo.main([*given, "--styles", "a"]) == 1
    train = zoo.calls[0]
    checkpoint = tmp_path / "work" / "a" / "runs" / "a" / "version_0" / "checkpoints" / "last.ckpt"
    assert train[train.index("--ckpt_path") + 1] == str(checkpoint)
    assert StyleModel(tmp_path / "work" / "a" / "a.onnx", "cpu").metadata.steps == 2


def test_what_cannot_be_made_is_reported_and_the_rest_goes_on(
    zoo: Any, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.import_module("zoo_commands"), "run_command", lambda arguments: 2)
    (tmp_path / "paintings" / "a.jpg").unlink()
    assert zoo.main(given) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("a ")
    assert lines[-2].endswith(f"refused: the painting {tmp_path / 'paintings' / 'a.jpg'} does not exist")
    assert lines[-1].endswith("refused: train ended with exit code 2; its message is above")
    (tmp_path / "configs" / "style.yaml").write_text("steps: 3\n")
    assert zoo.main([*given, "--styles", "b"]) == 1
    assert "was made from another recipe, painting, perceptual network or photos: remove it" in capsys.readouterr().out


def test_styles_that_start_from_nothing_come_first(zoo: Any, given: list[str], tmp_path: Path) -> None:
    recipe = tmp_path / "configs" / "styles" / "a.yaml"
    recipe.write_text(recipe.read_text() + "init: b\n")
    options = zoo.build_parser().parse_args(given)
    assert [path.stem for path in zoo.chosen(options)] == ["b", "a"]
    (recipe.parent / "c.yaml").write_text("name: c\ninit: a\n")
    (recipe.parent / "d.yaml").write_text("name: d\ninit: d\n")
    assert [path.stem for path in zoo.chosen(options)] == ["b", "d", "a", "c"]
    options.work.mkdir()
    first, second = (tmp_path / name for name in ("first.onnx", "second.onnx"))
    first.write_bytes(b"one network")
    second.write_bytes(b"another")
    style = zoo.Style(recipe, options)
    style._check_recipe({"init": str(first)})
    with pytest.raises(ConfigError, match="was made from another recipe"):
        style._check_recipe({"init": str(second)})


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--styles", "aa"], "Did you mean 'a'"), (["--photos", "{tmp}/photos/val"], "has no folders train and val")],
)
def test_options_that_mean_nothing(
    zoo: Any, given: list[str], tmp_path: Path, options: list[str], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        zoo.main([*given, *(option.format(tmp=tmp_path) for option in options)])


def test_the_gates(zoo: Any) -> None:
    photo = {"grid": 1.1, "border": 0.8, "blobs": 0.0}
    good = {"grid": 2.0, "border": 0.9, "blobs": 0.0}
    report = {"lbfgs_equivalent": 60.0, "iterations": 200, "measures": {"network": good, "photo": photo}}
    assert zoo.failed_gates(report, on_gpu=False) == []
    assert zoo.failed_gates(report, on_gpu=True) == ["N_eq 60 is below 100 (GPU)"]
    assert zoo.failed_gates({**report, "lbfgs_equivalent_from_noise": 110.0}, on_gpu=True) == []
    from_noise = {**report, "lbfgs_equivalent_from_noise": 40.0}
    assert zoo.failed_gates(from_noise, on_gpu=False) == ["N_eq from noise 40 is below 50 (CPU)"]
    assert zoo.failed_gates({**report, "lbfgs_equivalent": None}, on_gpu=True) == []
    assert zoo.failed_gates({**report, "lbfgs_equivalent": 17}, on_gpu=False, least_equivalent=15) == []
    assert zoo.failed_gates({**report, "lbfgs_equivalent": 1}, on_gpu=False, least_equivalent=0) == []
    assert zoo.failed_gates(report, on_gpu=False, least_equivalent=70) == ["N_eq 60 is below 70 (CPU)"]
    bad = {"network": {"grid": 11.0, "border": 1.6, "blobs": 0.2}, "photo": photo}
    assert zoo.failed_gates({**report, "measures": bad}, on_gpu=False) == [
        "grid energy 10 is above 4 times the photos",
        "border energy 2 is above 1.5 times the photos",
        "share of blobs 0.2 is above 0.02",
    ]


def test_shards_are_disjoint_complete_and_keep_families_together(zoo: ModuleType, tmp_path: Path) -> None:
    recipes = {}
    for name, init in {"a": None, "b": "a", "c": "b", "d": None, "e": "elsewhere", "f": None}.items():
        recipes[name] = tmp_path / f"{name}.yaml"
        recipes[name].write_text(f"name: {name}\ninit: {init or 'null'}\n")
    shards = [zoo.of_shard(list(recipes), recipes, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(name for shard in shards for name in shard) == sorted(recipes)
    assert {"a", "b", "c"} <= set(shards[0])
    for wrong in ("0/3", "4/3", "x", "1/0", "1", "-1/2"):
        with pytest.raises(ConfigError, match="a shard is written as"):
            zoo.of_shard(list(recipes), recipes, wrong)
