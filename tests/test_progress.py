"""Progress without a terminal: a line every few seconds, and none for what is quick."""

from __future__ import annotations

import sys

import pytest

from fastnst import progress as room
from fastnst.progress import progress, track


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = room._Lines("comparing", 300, "items", 0, clock)
    for _ in range(60):
        clock.now += 0.25
        lines.advance(text="total 1.2")
    written = capsys.readouterr().err.splitlines()
    assert written == [
        "comparing: 20 of 300, 1:10 left, total 1.2",
        "comparing: 40 of 300, 1:05 left, total 1.2",
        "comparing: 60 of 300, 1:00 left, total 1.2",
    ]


@pytest.mark.parametrize(
    ("total", "unit", "done", "line"),
    [
        (80e6, "bytes", 20e6, "x: 20.0 of 80.0 MB, 0:18 left"),
        (None, "bytes", 20e6, "x: 20.0 MB"),
        (90.0, "seconds", 30.0, "x: 0:30 of 1:30, 0:12 left"),
        (7200.0, "seconds", 3600.0, "x: 1:00:00 of 2:00:00, 0:06 left"),
    ],
)
def test_units(
    capsys: pytest.CaptureFixture[str], total: float | None, unit: room.Unit, done: float, line: str
) -> None:
    clock = Clock()
    lines = room._Lines("x", total, unit, 0, clock)
    clock.now += 6
    lines.reach(done)
    assert capsys.readouterr().err.strip() == line


def test_what_was_there_before_does_not_count_for_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = room._Lines("x", 100, "items", 80, clock)
    clock.now += 10
    lines.advance(10)
    assert capsys.readouterr().err.strip() == "x: 90 of 100, 0:10 left"


def test_quick_work_leaves_no_trace_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(["a", "b"], "restyling")) == ["a", "b"]
    with progress("x", 3) as shown:
        shown.advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_that_leaves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("[bold] is not a markup", 4) as shown:
        shown.advance(2, "[red] neither")
        shown.reach(4)
    written = capsys.readouterr().err
    assert "[bold] is not a markup" in written
    assert "4 of 4" in written
    assert written.rstrip().endswith("\x1b[2K")  # the line is cleared
