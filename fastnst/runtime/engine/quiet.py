"""Keep what engines write by themselves out of the user's terminal: pages about libraries, devices and fallbacks."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator

log = logging.getLogger(__name__)

_lock = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing through to stdout and stderr, neither Python's nor the libraries' own; for opening engines.

    What went wrong comes as an exception. It concerns the whole process, so blocks are short: what other threads write
    in the meantime is lost, too. With debug logging on, everything is let through.
    """
    if log.isEnabledFor(logging.DEBUG):
        yield
        return
    with _lock, contextlib.ExitStack() as stack:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):  # closed, or none
                stream.flush()
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # closed by whoever started us
                kept = os.dup(descriptor)
                stack.callback(_restore, kept, descriptor)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, descriptor)
                os.close(null)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield


def _restore(kept: int, descriptor: int) -> None:
    os.dup2(kept, descriptor)
    os.close(kept)
