"""benchmarks/divergence.py: what it says of a descent, and that it runs a recipe on every pair."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from fastnst.reference import config
from fastnst.reference.optimize import Optimized, Step


@pytest.fixture
def divergence(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("divergence")


def descended(divergence: ModuleType, totals: list[float]) -> tuple[int, float, float]:
    steps = [Step(number, {"total": total}, 0.1) for number, total in enumerate(totals, start=1)]
    found = divergence.Descended.of("a", Path("b"), Path("c"), Optimized(torch.zeros(1, 3, 8, 8), steps))
    return found.refused, found.worst, found.end


def test_what_is_said_of_a_descent(divergence: ModuleType) -> None:
    assert descended(divergence, [8, 4, 10, 2]) == (1, 2.5, 0.25)  # 10 is 2.5 times the best before it
    assert descended(divergence, [8, 4, 2]) == (0, 0.5, 0.25)
    assert descended(divergence, [8, math.nan, 4]) == (1, math.inf, 0.5)


@pytest.mark.slow
def test_a_recipe_runs_on_every_pair(
    divergence: ModuleType, tmp_path: Path, photo: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    config._opened.cache_clear()
    for turn, folder in ((0, "photos"), (45, "paintings")):
        (tmp_path / folder).mkdir()
        for number in range(3):
            photo.rotate(90 * number + turn).resize((70, 66)).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "odd.yaml").write_text(
        "perceptual: alexnet\ncontent_layers: [conv3]\nstyle_layers: [conv1, conv2]\nsweep:\n  tap: [conv, relu]\n"
    )
    given = ["--photos", tmp_path / "photos", "--paintings", tmp_path / "paintings", "-o", tmp_path / "out"]
    options = [tmp_path / "odd.yaml", *given, "--pairs", 2, "--steps", 3, "--size", 72]
    assert divergence.main([str(option) for option in options]) == 0
    rows = json.loads((tmp_path / "out" / "table.json").read_text())["descents"]
    assert [(row["photo"], row["painting"]) for row in rows] == [("0.png", "0.png"), ("2.png", "2.png")] * 2
    assert {row["recipe"] for row in rows} == {f"odd (tap {tap}), random filters" for tap in ("conv", "relu")}
    assert all(row["end"] < 1 for row in rows)
    assert "| odd (tap relu), random filters | 0 of 2 |" in capsys.readouterr().out
    config._opened.cache_clear()
