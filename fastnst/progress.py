"""Progress on stderr: a bar in a terminal, and a line every few seconds where there is none (a log, a pipe)."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol, TypeVar

from fastnst.printable import printable
from fastnst.verbosity import is_quiet

Unit = Literal["items", "bytes", "seconds"]
Item = TypeVar("Item")

_LINE_SECONDS = 5.0  # between two lines where there is no terminal


class Progress(Protocol):
    """The interface by which working code reports: how far it is, and a few words."""

    def advance(self, amount: float = 1, text: str = "") -> None:
        """`amount` more is done."""

    def reach(self, done: float, text: str = "") -> None:
        """`done` is done in all."""


@contextmanager
def progress(label: str, total: float | None, *, unit: Unit = "items", start: float = 0) -> Iterator[Progress]:
    """Show how far something is, until the block ends; nothing is left of a bar then.

    Args:
        label: what is done, in a word.
        total: how much there is to do; None where that is not known.
        unit: `items`, `bytes`, or `seconds` of a clip.
        start: how much is done already.

    Without a terminal a line is written every five seconds, so short work leaves no trace in a log.
    """
    if is_quiet():
        yield _NoProgress()
        return
    if not sys.stderr.isatty():
        yield _Lines(label, total, unit, start)
        return
    with _bar(label, total, unit, start) as shown:
        yield shown


def track(items: Sequence[Item] | Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Give the items one by one and show how many are done.

    Args:
        total: how many there are, where `items` has no length.
    """
    if total is None and isinstance(items, Sequence):
        total = len(items)
    if total == 1:  # done before a bar could be read
        yield from items
        return
    with progress(label, total) as shown:
        for item in items:
            yield item
            shown.advance()


class _NoProgress:
    """No progress: --quiet."""

    def advance(self, amount: float = 1, text: str = "") -> None: ...

    def reach(self, done: float, text: str = "") -> None: ...


class _Lines:
    """Progress as lines of text."""

    def __init__(
        self,
        label: str,
        total: float | None,
        unit: Unit,
        start: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = self._first = start
        self._clock = clock
        self._started = self._written = clock()

    def advance(self, amount: float = 1, text: str = "") -> None:
        self.reach(self._done + amount, text)

    def reach(self, done: float, text: str = "") -> None:
        self._done = done
        now = self._clock()
        if now - self._written < _LINE_SECONDS:
            return
        self._written = now
        parts = [_count(done, self._total, self._unit)]
        if self._total and done > self._first:
            left = (now - self._started) / (done - self._first) * (self._total - done)
            parts.append(f"{_clock_time(left)} left")
        with contextlib.suppress(OSError):  # a full disk under a log is no reason to stop working
            sys.stderr.write(f"{printable(self._label)}: {', '.join([*parts, *([text] if text else [])])}\n")
            sys.stderr.flush()


@contextmanager
def _bar(label: str, total: float | None, unit: Unit, start: float) -> Iterator[Progress]:
    from rich import progress as rich_progress
    from rich.console import Console
    from rich.markup import escape

    columns = (
        rich_progress.TextColumn(escape(printable(label))),
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.fields[count]}"),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.fields[text]}", markup=False),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=start, count=_count(start, total, unit), text="")  # type: ignore[arg-type]

        class Bar:
            def advance(self, amount: float = 1, text: str = "") -> None:
                self.reach(bar.tasks[0].completed + amount, text)

            def reach(self, done: float, text: str = "") -> None:
                bar.update(task, completed=done, count=_count(done, total, unit), text=text)

        yield Bar()


def _count(done: float, total: float | None, unit: Unit) -> str:
    """`3 of 10`, `1.2 of 80.1 MB`, `0:05 of 1:30`."""
    if unit == "bytes":
        return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    shown = _clock_time if unit == "seconds" else lambda value: f"{value:.0f}"
    return f"{shown(done)} of {shown(total)}" if total else shown(done)


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
