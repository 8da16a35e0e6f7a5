"""The styles that ship: their files say all that a user may want to know, and their cards stand beside them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from fastnst.runtime.models.catalog import SMALL_SUFFIX, shipped_styles, without_small_ones
from fastnst.runtime.models.onnx_metadata import read_description

STYLES = shipped_styles()
VARIANTS = ("_portrait", "_steady")  # which are measured beside the style that they go on from


@pytest.mark.parametrize("name", STYLES)
def test_a_file_describes_itself(name: str) -> None:
    path = STYLES[name]
    described = read_description(path)
    assert described.name == name
    assert all((described.title, described.artist, described.year, described.movement, described.licence))
    assert described.weights_licence == "MIT"
    assert described.steps > 0
    assert described.objective["total"] > 0
    assert described.data
    assert described.lbfgs_equivalent is not None or name.endswith(VARIANTS)
    model = onnx.load(path)
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    assert described.title in model.doc_string
    assert "weights: MIT" in model.doc_string
    assert path.stat().st_size <= (0.7e6 if name.endswith(SMALL_SUFFIX) else 4e6)


@pytest.mark.parametrize("name", STYLES)
def test_a_card_and_a_strip_stand_beside_it(name: str) -> None:
    path: Path = STYLES[name]
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    described = read_description(path)
    assert f"]({name}.jpg)" in card
    assert path.with_suffix(".jpg").is_file()
    assert described.painting_sha256 in card
    assert f"total {described.objective['total']:.4f}".rstrip("0") in card.replace("0 |", " |")


def test_small_variants_are_not_of_all() -> None:
    small = [name for name in STYLES if name.endswith(SMALL_SUFFIX)]
    assert len(small) >= 4
    assert set(without_small_ones(STYLES)) == set(STYLES) - set(small)
    assert without_small_ones({"mine-s": Path("mine-s.onnx")}) == {"mine-s": Path("mine-s.onnx")}
    assert len([name for name in STYLES if name.endswith("_portrait")]) >= 3
