"""Recipes that build on others, and those of the styles that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fastnst.errors import ConfigError
from fastnst.recipes import available_recipes, find_recipe, read_recipe, with_bases
from tests.training.runs import train

STYLES = Path(__file__).parents[2] / "configs" / "styles"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearer_file_wins_key_by_key(tmp_path: Path) -> None:
    write(tmp_path / "root.yaml", "steps: 10\nmodel: {style_size: 96, objective: {tv_weight: 1}}\n")
    write(tmp_path / "sub" / "middle.yaml", "base: ../root.yaml\nsteps: 20\n")
    leaf = write(tmp_path / "leaf.yaml", "base: sub/middle.yaml\nmodel: {objective: {tv_weight: 2}}\n")
    assert read_recipe(leaf) == {"steps": 20, "model": {"style_size": 96, "objective": {"tv_weight": 2}}}
    contents = [{"steps": 10, "model": {"style_size": 96, "objective": {"tv_weight": 1}}}, {"steps": 20}]
    contents.append({"model": {"objective": {"tv_weight": 2}}})
    for given in (["--config", str(leaf)], [f"--config={leaf}"], ["-c", str(leaf)]):
        first, *configs, option, value = with_bases(["fit", *given, "--steps", "5"])
        assert (first, option, value) == ("fit", "--steps", "5")
        assert [yaml.safe_load(one.removeprefix("--config=")) for one in configs] == contents
    # What the command line says wins over a recipe, wherever it stands; the later of two recipes over the earlier.
    other = write(tmp_path / "other.yaml", "steps: 30\n")
    mixed = with_bases(["fit", "--steps", "5", "--config", str(leaf), "--name", "x", "-c", str(other)])
    assert [mixed[0], *mixed[5:]] == ["fit", "--steps", "5", "--name", "x"]
    assert [yaml.safe_load(one.removeprefix("--config=")) for one in mixed[1:5]] == [*contents, {"steps": 30}]
    with pytest.raises(ConfigError, match="needs a recipe"):
        with_bases(["fit", "--config"])
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        with_bases(["--config", "none.yaml"])


def test_recipes_that_ship_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe("styles/the_scream") == STYLES / "the_scream.yaml"
    assert {"quickstart", "style", "reference/gatys", "matting/small"} <= set(available_recipes())
    assert read_recipe("quickstart") == read_recipe(STYLES.parent / "quickstart.yaml")
    assert read_recipe(write(tmp_path / "mine.yaml", "base: quickstart\nsteps: 3\n")) == {
        **read_recipe("quickstart"),
        "steps": 3,
    }
    write(tmp_path / "quickstart", "steps: 7\n")
    assert read_recipe("quickstart") == {"steps": 7}  # a file of one's own comes first
    with pytest.raises(ConfigError, match=r"no recipe 'quikstart'\. Did you mean 'quickstart'"):
        find_recipe("quikstart")
    with pytest.raises(ConfigError, match="ships under this name is taken with --config scratch"):
        find_recipe("configs/scratch.yaml")


def test_bases_that_lead_nowhere(tmp_path: Path) -> None:
    circle = write(tmp_path / "circle.yaml", "base: circle.yaml\n")
    with pytest.raises(ConfigError, match="builds on itself"):
        read_recipe(circle)
    with pytest.raises(ConfigError, match="must be one file"):
        read_recipe(write(tmp_path / "b.yaml", "base: [a, b]\n"))
    with pytest.raises(ConfigError, match="key 5, which is not a name"):
        read_recipe(write(tmp_path / "c.yaml", "model: {5: x}\n"))
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be opened"):
        read_recipe(write(tmp_path / "a.yaml", "base: nowhere.yaml\n"))


def test_a_training_follows_its_recipe_and_keeps_it_whole(materials: Path, tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "model: {learning_rate: 0.0015}\ncheckpoint_every: 1\n")
    recipe = write(tmp_path / "style.yaml", "base: base.yaml\nmodel: {credits: {title: A Title}}\n")
    run = train(materials, tmp_path, "built", 1, "--config", str(recipe))
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert "base" not in kept
    assert (kept["model"]["learning_rate"], kept["model"]["credits"]["title"]) == (0.0015, "A Title")


def test_the_styles_that_ship_share_one_recipe() -> None:
    files = [path for path in sorted(STYLES.glob("*.yaml")) if not path.stem.endswith("-s")]
    assert len(files) >= 12
    movements = set()
    for file in files:
        own = yaml.safe_load(file.read_text())
        assert own["base"] == "../style.yaml"
        assert own["name"] == file.stem
        card = file.with_suffix(".md").read_text()
        # What is not the same for all is said in the card.
        assert own.keys() == {"base", "name", "painting", "model"}
        assert own["model"].keys() - {"objective", "style_trim"} == {"credits"}
        trim = own["model"].get("style_trim", 0)
        assert not trim or f"{100 * trim:g} % of its sides" in card
        changed = own["model"].get("objective", {})
        assert "style_weight" not in changed or "style weight" in card
        assert "laplacian_weight" not in changed or "Laplacian" in card
        credits = own["model"]["credits"]
        assert credits.keys() == {"title", "artist", "year", "movement", "licence"}
        assert all(isinstance(text, str) and text for text in credits.values())
        movements.add(credits["movement"])
    assert len(movements) >= 9  # as different as possible


def test_small_styles_differ_by_their_network() -> None:
    for file in sorted(STYLES.glob("*-s.yaml")):
        recipe = read_recipe(file)
        assert recipe["name"] == file.stem
        assert (recipe["init"], recipe["model"]["network"]) == ("start-s", {"name": "swift-s"})
        large = read_recipe(file.with_name(f"{file.stem.removesuffix('-s')}.yaml"))
        assert recipe["painting"] == large["painting"]
