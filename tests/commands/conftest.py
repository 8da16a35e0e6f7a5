"""A folder to work in, and the two commands that restyle and cut out batches of photos there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastnst import cli
from tests.commands.batches import Run
from tests.matting_models import write_ours


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stylize(place: Path, negative_model: Path) -> Run:
    def run(*argv: object) -> int:
        return cli.main(["stylize", *map(str, argv), "--style", str(negative_model), "--provider", "cpu"])

    return run


@pytest.fixture
def matte(place: Path) -> Run:
    model = write_ours(place / "models" / "red.onnx")

    def run(*argv: object) -> int:
        return cli.main(["matte", *map(str, argv), "--matting-model", str(model), "--provider", "cpu"])

    return run
