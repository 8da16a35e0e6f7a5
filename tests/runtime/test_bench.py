"""`fastnst bench`: figures that add up, and bad input in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastnst.cli import main
from fastnst.commands.options.size import parse_size


def test_figures_add_up(negative_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "bench.json"
    command = ["bench", str(negative_model), "--size", "64x48", "100x80", "--provider", "cpu", "--seconds", "0.01"]
    assert main([*command, "--json", str(target)]) == 0
    shown = capsys.readouterr().out
    small, large = json.loads(target.read_text())
    assert (small["size"], large["size"]) == ("64x48", "100x80")
    assert small["provider"] == "cpu"
    assert small["precision"] == "f32"
    assert small["repeats"] >= 3
    assert small["median_ms"] <= small["p95_ms"]
    assert small["fps"] == pytest.approx(1000 / small["median_ms"])
    assert large["megapixels_per_second"] == pytest.approx(100 * 80 * large["fps"] / 1e6)
    assert small["first_frame_ms"] > small["median_ms"]
    assert 20 < small["peak_memory_mb"] < 2000
    assert "negative" in shown
    assert "64x48" in shown
    assert main([*command, "--json", str(target)]) == 2
    assert "exists" in capsys.readouterr().err


def test_sizes() -> None:
    assert parse_size("720p") == (720, 1280)
    assert parse_size("64x48") == (48, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "721p"], "720p"),
        (["--size", "8x8"], "16 to 99999 pixels"),
        (["--size", "²x²"], "unknown size"),
        (["--size", "99999x99999"], "too large to be timed"),
        (["--seconds", "inf"], "seconds must be a number above 0"),
        (["--seconds", "0"], "seconds"),
        (["--provider", "cuba"], "cuda"),
    ],
)
def test_bad_input(
    negative_model: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(negative_model), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
