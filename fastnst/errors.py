"""Errors that a user can cause. Each is one sentence that names the thing, the actual value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class FastNSTError(Exception):
    """The base of all errors that are not bugs. The command line prints the sentence and exits with code 2."""


class ConfigError(FastNSTError):
    """An option or a configuration that means nothing."""


class ImageError(FastNSTError):
    """A picture that cannot be read or used."""


class ClipError(FastNSTError):
    """A video, an animation or a folder of frames that cannot be read or used."""


class CameraError(FastNSTError):
    """A camera that cannot be found or opened."""


class ModelError(FastNSTError):
    """A model or checkpoint file that cannot be used."""


class StyleNotFoundError(ModelError):
    """A style name that is not shipped."""


class DownloadError(FastNSTError):
    """A file that cannot be fetched, or is not the published one.

    Args:
        fact: what went wrong.
        remedy: what its user can do; callers who know better take `fact` alone.
        is_refusal: whether the other side said no, so that trying again or an older copy does not help.
    """

    def __init__(self, fact: str, remedy: str = "", *, is_refusal: bool = False) -> None:
        self.fact, self.is_refusal = fact, is_refusal
        super().__init__(f"{fact}: {remedy}" if remedy else fact)


class OutputError(FastNSTError):
    """An output that cannot be written, or exists already."""


class MissingDependencyError(FastNSTError):
    """A package that an optional feature needs is not installed."""


def suggest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` with the known name nearest to `name`, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def check_minima(values: Mapping[str, tuple[float, float]]) -> None:
    """Raise `ConfigError` for the first option whose value is below its minimum: `{name: (value, minimum)}`.

    >>> check_minima({"steps": (1, 1), "workers": (-1, 0)})
    Traceback (most recent call last):
    fastnst.errors.ConfigError: workers must be at least 0, not -1.
    """
    for name, (value, minimum) in values.items():
        if value < minimum:
            raise ConfigError(f"{name} must be at least {minimum}, not {value}.")
