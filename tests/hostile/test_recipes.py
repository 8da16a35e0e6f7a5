"""Recipes of strangers: places, groups and numbers that are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fastnst.commands.options.settings import read_settings
from fastnst.commands.train_predictor import build_parser as predictor_parser
from fastnst.errors import ConfigError, FastNSTError
from fastnst.recipes import read_recipe
from fastnst.start.predictor_config import PredictorConfig
from fastnst.start.start_config import StartConfig
from fastnst.training.several_styles import build_style

BASE = "painting: [painting.png]\nperceptual: slim\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"name: 0x{'f' * 5000}\n", "a whole number of 20,000 bits"),
        (f"model: {{learning_rate: 0x{'f' * 400}}}\n", "a whole number of 1,600 bits"),
        ("model: {style_size: 1000000000}\n", "style_size must be from 1 to 16,384"),
        ("model: {network: {options: {blocks: 100000000}}}\n", "'blocks' must be at most 256"),
        ("model: {objective: [1]}\n", r"model.objective takes keys and values, not \[1\]"),
        ("model: {objective: null}\n", "model.objective takes keys and values, not null"),
        ("model: {network: null}\n", "model.network takes keys and values, not null"),
        ("model: {perceptual: 3}\n", "model.perceptual takes keys and values, not 3"),
        ("perceptual: null\n", "unknown perceptual network 'None'"),
        ('base: "a\\0b"\n', "embedded null byte"),
        ("base: r.yaml\n", "builds on itself"),
        ("base: /dev/zero\n", "a pipe or a device"),
        ("name: ../x\n", "cannot be a folder's"),
        ("model: {class_path: os.system, init_args: {command: ls}}\n", "does not accept option"),
        ("painting: [nosuch.png]\n", "nosuch.png cannot be opened"),
        ("painting: [[painting.png]]\n", "must name files as its painting"),
    ],
)
def test_a_strangers_recipe_among_styles(more: str, said: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "painting.png")
    kept = "".join(line + "\n" for line in BASE.splitlines() if line.split(":")[0] != more.split(":")[0])
    (tmp_path / "r.yaml").write_text(kept + more)
    with pytest.raises(ConfigError, match=said) if "nosuch" not in more else pytest.raises(FastNSTError, match=said):
        build_style(str(tmp_path / "r.yaml"), tmp_path, {"model": {}})


@pytest.mark.skipif(os.name == "nt", reason="places of POSIX")
@pytest.mark.parametrize("place", ["loop", "fifo", "device", "folder", "dangling"])
def test_recipes_that_are_no_files(place: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    {
        "loop": lambda: path.symlink_to(path),
        "fifo": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "dangling": lambda: path.symlink_to("/nosuch"),
    }[place]()
    with pytest.raises(ConfigError, match=r"does not exist|a pipe or a device"):
        read_recipe(path)


@pytest.mark.parametrize("group", ["objective: null", "network: 3", "perceptual: [slim]"])
def test_a_value_in_place_of_a_group_of_settings(group: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"paintings: p\nphotos: p\n{group}\n")
    with pytest.raises(ConfigError, match=group.split(":")[0]):
        read_settings(predictor_parser("x"), ["--config", str(tmp_path / "r.yaml")], PredictorConfig, "overwrite")


@pytest.mark.parametrize("name", ["seed", "batch_size", "style_size", "image_size", "learning_rate"])
@pytest.mark.parametrize("value", [-1, 10**12, float("nan")])
@pytest.mark.parametrize("config", [StartConfig, PredictorConfig])
def test_numbers_that_no_start_can_be_learned_with(config: type[Any], name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be from"):
        config("paintings", "photos", **{name: value}).validate()
