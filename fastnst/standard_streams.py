"""What commands write to the terminal: results to standard output, sentences to standard error, both harmless."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from fastnst.errors import OutputError
from fastnst.printable import MAX_LINE_CHARACTERS, printable
from fastnst.verbosity import wants_results


def print_result(text: str) -> None:
    """Write lines of results to standard output, each made printable but not cut.

    If nothing more can be written there, `OutputError` is raised by commands that were asked for just that; the work
    of others is done, and a sentence will do. Raises BrokenPipeError if the reader went away.
    """
    lines = text.removesuffix("\n").split("\n")
    try:
        sys.stdout.write(
            "".join(f"{printable(line, max_characters=max(MAX_LINE_CHARACTERS, len(line)))}\n" for line in lines)
        )
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(1)  # what is still in the buffer would fail once more at the end
        sentence = f"standard output cannot be written ({error.strerror})."
        if wants_results():
            raise OutputError(sentence) from error
        print_message(sentence)


def print_message(sentence: object) -> None:
    """One line on standard error; whatever a file, a name or an option brought into it is harmless.

    Where that cannot be written, the exit code has to do.
    """
    try:
        sys.stderr.write(f"fastnst: {printable(sentence)}\n")
        sys.stderr.flush()
    except OSError:
        discard(2)


def discard(descriptor: int) -> None:
    """Send what is written to standard output (1) or error (2) nowhere from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def prepare_streams() -> None:
    """Make standard input, output and error usable, whatever the shell did to them.

    Closed ones (`>&-`) lead nowhere: else the next file that is opened would take their number, and what libraries
    write to the terminal would go into it. A title that a terminal cannot show is no reason to fail.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="replace")
