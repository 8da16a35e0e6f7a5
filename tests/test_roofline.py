"""The roofline's counts against counts by hand, and a run of the whole benchmark."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fastnst.networks import build_network


@pytest.fixture
def roofline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("roofline")


def test_the_work_is_that_of_the_convolutions(roofline: ModuleType) -> None:
    # Channels in and out, and the share of the pixels, of each convolution of swift with width 32 and one block.
    layers = [(48, 32, 16), (32, 32, 16), (32, 32, 16), (32, 32, 16), (32, 16, 4), (16, 16, 4), (16, 8, 1), (8, 3, 1)]
    macs = sum(9 * inputs * outputs / shrunk for inputs, outputs, shrunk in layers)
    enlarging = {layers[4], layers[6]}  # read the small map
    read = [layer[0] / (4 if layer in enlarging else 1) for layer in layers]
    moved = sum((inputs + outputs) / shrunk for inputs, (_, outputs, shrunk) in zip(read, layers, strict=True))
    weights = sum(9 * inputs * outputs for inputs, outputs, _ in layers)
    work = roofline.count_work(build_network("swift", width=32, blocks=1), 72, 128)
    assert work.macs == pytest.approx(72 * 128 * macs)
    assert work.elements == pytest.approx(72 * 128 * moved + weights)


def test_a_run(
    roofline: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roofline, "_MATRIX_SIDES", {"cpu": 240})
    monkeypatch.setattr(roofline, "_COPY_BYTES", 1 << 20)
    given = ["roofline.py", "starry_night", "--size", "64x48", "--provider", "cpu", "--rounds", "2"]
    monkeypatch.setattr(sys, "argv", [*given, "--json", str(tmp_path / "out.json")])
    assert roofline.main() == 0
    assert "cpu f32" in capsys.readouterr().out
    (found,) = json.loads((tmp_path / "out.json").read_text())
    assert found["share"] == pytest.approx(found["roof_ms"] / found["resident_ms"])
    assert found["host_ms"] > 0
    assert found["bound"] in ("arithmetic", "memory")
    assert roofline.main() == 2  # the file exists
    monkeypatch.setattr(sys, "argv", [*given[:3], "64", *given[4:]])
    assert roofline.main() == 2
    assert "unknown size '64'" in capsys.readouterr().err
