"""Pictures restyled part by part: nothing may show where the parts meet. Nothing here imports torch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.cli import main
from fastnst.errors import ConfigError, ImageError
from fastnst.runtime import StyleModel, Stylizer, resolve_style
from fastnst.runtime import stylizer as stylizer_module
from fastnst.runtime.engine.session import ModelMemoryError
from fastnst.runtime.tiling import AUTO_PIXELS, Tiles, choose_tiles, level, parse_tile, plan_tiles, run_in_tiles
from tests.conftest import gradient

SMALL = Tiles(pixels=225_000, margin=24, fade=16)
_LUMA = np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize(
    ("height", "width", "tiles", "rows"),
    [
        (3000, 4000, Tiles(), 1),
        (4000, 3000, Tiles(), 1),
        (8000, 12000, Tiles(), 3),
        (3000, 4000, Tiles(500_000), 9),
        (300, 40_000, Tiles(), 1),
        (40_000, 301, Tiles(), 32),
        (440, 640, SMALL, 1),
    ],
)
def test_every_tile_is_in_one_run_and_no_run_is_too_large(height: int, width: int, tiles: Tiles, rows: int) -> None:
    plan = plan_tiles(height, width, tiles)
    assert plan.rows == rows
    places = [place for run in plan.runs() for place in run]
    assert sorted(places) == [(row, column) for row in range(plan.rows) for column in range(plan.columns)]
    assert {len(run) for run in plan.runs()} == {plan.together}
    seen_height = plan.height + (2 * tiles.border if plan.rows > 1 else 0)
    assert plan.together * (plan.width + 2 * tiles.border) * seen_height <= tiles.pixels * 1.05
    assert plan.rows * plan.height >= height
    assert plan.columns * plan.width >= width
    assert plan.width % 8 == 0
    for run in plan.runs():  # from all over the picture
        assert len({column * plan.together // plan.columns for _, column in run}) == plan.together
        assert len({row for row, _ in run}) == min(plan.rows, plan.together)


@pytest.mark.parametrize("tiles", [SMALL, Tiles(100_000, 24, 16), Tiles(60_000, 24, 16)])
def test_what_changes_nothing_gives_the_picture_back(photo: Image.Image, tiles: Tiles) -> None:
    pixels = np.asarray(photo.resize((613, 437)))
    assert np.array_equal(run_in_tiles(pixels, lambda images: images, tiles), pixels)
    assert np.array_equal(run_in_tiles(pixels, lambda images: 255 - images, tiles), 255 - pixels)


def test_neighbours_are_levelled() -> None:
    pixels = gradient(437, 613) // 2 + 60
    drift = iter(np.tile([0, 9, -7], 9))

    def drifting(images: np.ndarray) -> np.ndarray:
        return np.clip(images.astype(int) + next(drift), 0, 255).astype(np.uint8)

    found = run_in_tiles(pixels, drifting, SMALL).astype(int) - pixels
    assert np.ptp(found.mean((0, 2))) < 0.35 * 16
    plan = plan_tiles(437, 613, SMALL)
    equal = {place: np.full((437, plan.width + 64, 3), 100, np.uint8) for run in plan.runs() for place in run}
    assert np.allclose(list(level(equal, plan, SMALL).values()), 0)


@pytest.fixture(scope="module")
def painted(photo: Image.Image) -> dict[str, np.ndarray]:
    """A photo in the shipped style: whole, in tiles, and in tiles of which each is run alone."""
    model = StyleModel(resolve_style("starry_night"), "cpu")
    pixels = np.asarray(photo.crop((0, 40, 512, 392)).resize((640, 440), Image.Resampling.LANCZOS))

    def alone(images: np.ndarray) -> np.ndarray:
        return np.concatenate([model(np.ascontiguousarray(part)) for part in np.split(images, 3, axis=2)], axis=2)

    return {
        "whole": model(pixels[None])[0],
        "tiles": run_in_tiles(pixels, model, SMALL),
        "rows": run_in_tiles(pixels, model, replace(SMALL, pixels=200_000)),
        "alone": run_in_tiles(pixels, alone, SMALL),
    }


def seam_energy(picture: np.ndarray, core: int, fade: int) -> float:
    """Horizontal gradient energy where tiles meet, over that elsewhere."""
    energy = np.square(np.diff(picture @ _LUMA, axis=1)).mean(0)
    columns = np.arange(len(energy))
    meeting = (np.abs((columns + fade) % core - fade) <= fade / 2) & (columns > core / 2)
    return float(energy[meeting].mean() / energy[~meeting].mean())


def coarse(picture: np.ndarray, block: int = 40) -> np.ndarray:
    """Means of blocks: what of a picture is seen from afar."""
    height, width = (extent // block for extent in picture.shape[:2])
    blocks = picture[: height * block, : width * block].reshape(height, block, width, block, 3)
    means: np.ndarray = blocks.mean((1, 3))
    return means


def test_tiles_look_like_the_whole(painted: dict[str, np.ndarray]) -> None:
    drift = {
        name: float(np.sqrt(np.square(coarse(painted[name]) - coarse(painted["whole"])).mean()))
        for name in ("tiles", "rows", "alone")
    }
    assert max(drift["tiles"], drift["rows"]) < 0.5 * drift["alone"], drift


def test_no_seams(painted: dict[str, np.ndarray]) -> None:
    core = plan_tiles(440, 640, SMALL).width
    energy = {name: seam_energy(picture, core, SMALL.fade) for name, picture in painted.items()}
    assert energy["tiles"] == pytest.approx(energy["whole"], rel=0.1), energy


def test_large_pictures_are_tiled_by_themselves() -> None:
    assert choose_tiles(2000, AUTO_PIXELS // 2000, None) is None
    assert choose_tiles(3000, 4000, None) == Tiles()
    assert choose_tiles(3000, 4000, math.inf) is None
    assert choose_tiles(3000, 4000, 2.0) == Tiles(2_000_000)
    assert choose_tiles(1000, 2000, 2.0) is None


@pytest.mark.parametrize("tile", ["0", "-1", "big", "nan", 0.1])
def test_bad_tiles(
    tile: str | float, negative_model: Path, photo_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"tile must be auto, off or at least 0\.5 megapixels"):
        parse_tile(tile)
    command = ["stylize", str(photo_file), "--style", str(negative_model), "-o", "x.png", f"--tile={tile}"]
    assert main(command) == 2
    assert "tile must be" in capsys.readouterr().err


def test_the_command_line_tiles(negative_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    real = StyleModel.__call__

    def counting(self: StyleModel, images: np.ndarray) -> np.ndarray:
        runs.append(images.shape)
        return real(self, images)

    monkeypatch.setattr(StyleModel, "__call__", counting)
    source, target = tmp_path / "large.png", tmp_path / "out.png"
    Image.fromarray(gradient(900, 1300)).save(source)
    command = ["stylize", str(source), "--style", str(negative_model), "--provider", "cpu", "-o", str(target)]
    assert main([*command, "--tile", "1"]) == 0
    assert len(runs) > 1
    assert np.array_equal(np.asarray(Image.open(target)), 255 - gradient(900, 1300))
    runs.clear()
    assert main([*command, "--overwrite"]) == 0
    assert len(runs) == 1


def test_too_little_memory(negative_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = StyleModel.__call__

    def small(self: StyleModel, images: np.ndarray) -> np.ndarray:
        if images[..., 0].size > 250_000:
            raise ModelMemoryError("the memory does not suffice.")
        return real(self, images)

    monkeypatch.setattr(StyleModel, "__call__", small)
    stylizer = Stylizer(negative_model, "cpu")
    pixels = gradient(440, 640)
    for tile in ("off", "auto"):  # not worth tiling: the memory is gone for another reason
        with pytest.raises(ImageError, match=r"640×440 pixels does not fit in the memory.*--tile.*--max-size"):
            stylizer(pixels, tile=tile)
    monkeypatch.setattr(stylizer_module, "TILE_PIXELS", SMALL.pixels)
    monkeypatch.setattr(stylizer_module, "Tiles", lambda: SMALL)
    assert np.array_equal(np.asarray(stylizer(pixels)), 255 - pixels)
    with pytest.raises(ImageError, match="--tile"):
        stylizer(pixels, tile="off")
