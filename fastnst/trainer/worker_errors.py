"""Errors of the processes that read training data, as they were there."""

from __future__ import annotations

from fastnst.errors import FastNSTError

_MARK = "Caught "  # how torch begins what it makes of an error in a worker of a DataLoader


def as_in_its_worker(error: FastNSTError) -> FastNSTError:
    """The error with its own sentence; torch puts the worker's traceback before it. Others come back as they are."""
    text = str(error)
    if not text.startswith(_MARK):
        return error
    kind = type(error)
    _, found, sentence = text.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")
    return kind(" ".join(sentence.split())) if found else error
