"""Recipes of the reference: typed, built on each other, and every one that ships."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastnst.commands.optimize import RecipeOptions
from fastnst.errors import ConfigError
from fastnst.perceptual.architectures import ARCHITECTURES, TORCHVISION
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.reference.recipes import NoExtras, read_variants
from tests.reference.commands import run


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


@pytest.mark.parametrize("where", ["recipe", "command line", "both"])
def test_a_sweep_of_more_pictures_than_anyone_waits_for(inputs: Path, where: str) -> None:
    """It is refused before any of its values is read."""
    numbers = [*map(str, range(1, 33))]
    recipe = inputs / "sweep.yaml"
    swept = {"recipe": ("steps", "seed"), "command line": (), "both": ("steps",)}[where]
    recipe.write_text("sweep:\n" + "".join(f"  {name}: [{', '.join(numbers)}]\n" for name in swept) if swept else "")
    arguments = {name: numbers for name in ("steps", "seed") if name not in swept}
    message = "these values combine to 1,024 pictures, but 999 is the most that are made at once: give fewer values."
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_variants(recipe, arguments, NoExtras())
    with pytest.raises(ConfigError, match="more than a trillion pictures"):
        read_variants(None, {str(option): ["1"] * 1000 for option in range(50)}, NoExtras())


def test_a_sweep_of_many_pictures_is_one() -> None:
    found, _ = read_variants(None, {"steps": ["5", "6"], "seed": ["1", "2", "3"]}, NoExtras())
    assert len(found) == 6


def test_layers_times_seeds_have_an_end(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = run(capsys, inputs, "texture", inputs / "painting.jpg", "-o", inputs / "out", "--seeds", "1000")
    assert code == 2
    assert "combine to 4,000 pictures" in said
    assert not (inputs / "out").exists()
