"""Amount of output: `--quiet` and `--verbose`, the same for every command."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence

QUIET, VERBOSE = ("-q", "--quiet"), ("-v", "--verbose")
_state = {"quiet": False, "verbose": False, "results": True}


def is_quiet() -> bool:
    """True if progress and remarks are left out; errors and what was asked for are still written."""
    return _state["quiet"]


def is_verbose() -> bool:
    """True if details are logged, and errors come with where they come from."""
    return _state["verbose"]


def wants_results() -> bool:
    """Whether standard output is what the command was asked for, and not remarks on what it did."""
    return _state["results"]


def take_verbosity(argv: Sequence[str]) -> tuple[list[str], bool, bool]:
    """The arguments without `--quiet` and `--verbose`, and whether each was there. What follows `--` is left alone."""
    end = list(argv).index("--") if "--" in argv else len(argv)
    rest = [one for one in argv[:end] if one not in (*QUIET, *VERBOSE)]
    quiet, verbose = (any(one in flags for one in argv[:end]) for flags in (QUIET, VERBOSE))
    return [*rest, *argv[end:]], quiet, verbose


@contextlib.contextmanager
def verbosity(*, quiet: bool, verbose: bool, results: bool) -> Iterator[None]:
    """Say more, or less, while it lasts.

    Args:
        quiet: no progress and no remarks.
        verbose: details, in the log.
        results: keep standard output even if quiet: what a command was asked to report, not that it is done.
    """
    logger = logging.getLogger("fastnst")
    before, level = dict(_state), logger.level
    _state.update(quiet=quiet, verbose=verbose, results=results)
    if quiet or verbose:
        logger.setLevel(logging.ERROR if quiet else logging.DEBUG)
    try:
        if quiet and not results:
            with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
                yield
        else:
            if verbose:
                logging.basicConfig(format="fastnst: %(name)s: %(message)s", stream=sys.stderr)
            yield
    finally:
        _state.update(before)
        logger.setLevel(level)
