"""Errors that a user can cause. Each is one sentence that names the thing, the actual value and the remedy."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping

_SHOWN = 100  # characters of a text that is at fault


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


def suggest(name: object, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` with the known name nearest to `name`, or an empty string."""
    nearest = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def unencodable(error: UnicodeEncodeError) -> str:
    """The sentence for a name or a text that this system, in its locale, has no bytes for, or that came as other bytes.

    >>> try:
    ...     "caf\\u00e9".encode("ascii")
    ... except UnicodeEncodeError as error:
    ...     print(unencodable(error))
    'caf\u00e9' cannot be written in the encoding of this locale (ascii): set PYTHONUTF8=1.
    """
    before = error.object[: error.start].rpartition("\n")[2]  # of a text, the line is enough
    line = before + error.object[error.start :].partition("\n")[0]
    text = line if len(line) <= _SHOWN else f"…{line[max(0, len(before) - 40) :][:_SHOWN]}…"
    if any("\ud800" <= character <= "\udfff" for character in error.object):  # how Python keeps bytes of a name, too
        return f"'{text}' is not text in UTF-8: give it another name{'' if _reads_utf8() else ', or set PYTHONUTF8=1'}."
    return f"'{text}' cannot be written in the encoding of this locale ({error.encoding}): set PYTHONUTF8=1."


def reason_of(error: OSError | ValueError) -> str:
    """Why a file cannot be opened or written, for the middle of a sentence.

    >>> reason_of(FileNotFoundError(2, "No such file or directory"))
    'No such file or directory'
    """
    if isinstance(error, UnicodeEncodeError):
        return unencodable(error).removesuffix(".")
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _reads_utf8() -> bool:
    return sys.getfilesystemencoding() == "utf-8"


def check_minima(values: Mapping[str, tuple[float, float]]) -> None:
    """Raise `ConfigError` for the first option whose value is below its minimum: `{name: (value, minimum)}`.

    >>> check_minima({"steps": (1, 1), "workers": (-1, 0)})
    Traceback (most recent call last):
    fastnst.errors.ConfigError: workers must be at least 0, not -1.
    """
    for name, (value, minimum) in values.items():
        if value < minimum:
            raise ConfigError(f"{name} must be at least {minimum}, not {value}.")


def check_ranges(values: Mapping[str, tuple[float, float, float]]) -> None:
    """Raise `ConfigError` for the first option outside of its range: `{name: (value, least, most)}`.

    >>> check_ranges({"steps": (10, 1, 100), "share": (float("nan"), 0, 1)})
    Traceback (most recent call last):
    fastnst.errors.ConfigError: share must be from 0 to 1, not nan.
    """
    for name, (value, least, most) in values.items():
        if not least <= value <= most:
            raise ConfigError(f"{name} must be from {least:,} to {most:,}, not {value}.")
