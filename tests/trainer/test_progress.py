from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import rich

from fastnst.trainer import progress
from fastnst.trainer.progress import Bar, ProgressLines, duration, training_progress


@pytest.mark.parametrize(
    ("terminal", "term", "kind"), [("1", "xterm", Bar), ("0", "xterm", ProgressLines), ("1", "dumb", ProgressLines)]
)
def test_a_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch, terminal: str, term: str, kind: type) -> None:
    """Into a pipe Rich would write a bar once, at the end."""
    monkeypatch.setenv("TTY_COMPATIBLE", terminal)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(rich, "_console", None)
    assert type(training_progress()) is kind


def test_lines_tell_the_time_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A step takes two seconds: a line at the third, the sixth and the ninth of a hundred."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    caplog.set_level(logging.INFO)
    trainer: Any = SimpleNamespace(global_step=0, max_steps=100, is_global_zero=True)
    lines, module = ProgressLines(seconds=5), Any
    lines.on_train_start(trainer, module)  # type: ignore[arg-type]
    for step in range(1, 10):
        clock[0], trainer.global_step = 2.0 * step, step
        lines.on_train_batch_end(trainer, module, None, None, step)  # type: ignore[arg-type]
    assert [record.message for record in caplog.records] == [
        "step 3/100, 3 min left",
        "step 6/100, 3 min left",
        "step 9/100, 3 min left",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (50.4, "50 s"), (720, "12 min"), (12000, "3 h 20 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
