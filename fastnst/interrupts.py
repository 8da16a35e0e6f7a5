"""Ctrl-C at the right moment: work of an instant, such as writing a finished picture, is done first; exit code 130."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_seen = {"interrupt": False}


def note_interrupts() -> None:
    """Remember from now on that a Ctrl-C came, for `was_interrupted`; it raises KeyboardInterrupt as ever."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) in (
        signal.default_int_handler,
        _note,
    ):
        _seen["interrupt"] = False
        signal.signal(signal.SIGINT, _note)


def was_interrupted() -> bool:
    """Whether a Ctrl-C came since `note_interrupts`.

    Modules in C that are imported at that moment turn the KeyboardInterrupt into errors of other kinds.
    """
    return _seen["interrupt"]


def end_at_once_on_interrupt() -> None:
    """Let the next Ctrl-C end the process where it is, with exit code 130; for when there is nothing left to keep."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is _note:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def _note(number: int, frame: FrameType | None) -> None:
    _seen["interrupt"] = True
    signal.default_int_handler(number, frame)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let a Ctrl-C that comes in the block act after it."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    pending: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        pending.append(number)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pending:
            raise KeyboardInterrupt
