"""The one reader of small text files that users name: recipes, notes, reports. Bounded, and never waiting."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from fastnst.errors import ConfigError

LARGEST = 1 << 20  # bytes; the longest recipe that ships has two thousand
_DEEPEST = 64  # levels of a JSON or YAML document


def read_text(path: str | Path, kind: str = "the file", largest: int = LARGEST) -> str:
    """The text of a UTF-8 file (with or without a byte order mark) of at most `largest` bytes.

    Pipes and devices are refused without opening them for long: a reader of `/dev/zero` never ends, one of a pipe may
    wait forever.

    Args:
        kind: what it is, beginning the sentence of every error: `the recipe`, `the report`.

    Raises `ConfigError` for what cannot be read, is not a regular file, is too large, or holds no text.
    """
    path = Path(path)
    try:
        # Not blocking, so that a pipe to which nobody writes opens too, and is then told from a file.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{kind} {path} is not a regular file: save its text to one.")
            content = file.read(largest + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise ConfigError(f"{kind} {path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if len(content) > largest:
        raise ConfigError(f"{kind} {path} has more than {largest / 1e6:.1f} MB of text: that is not what is meant.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{kind} {path} cannot be read (byte {error.start + 1} is not UTF-8 text).") from error


def read_json(path: str | Path, kind: str = "the file", largest: int = LARGEST) -> Any:
    """The content of a small JSON file. Raises `ConfigError` as `read_text` does, and for what is not JSON."""
    text = read_text(path, kind, largest)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{kind} {path} is not JSON ({_first_line(error)}).") from error


def read_yaml(path: str | Path, kind: str = "the file", most_values: int = 20_000) -> Any:
    """The content of a small YAML file of plain values.

    Aliases count as often as they are used and may not contain themselves, so that a few hundred bytes cannot stand for
    gigabytes ("billion laughs"). Raises `ConfigError` as `read_text` does, and for what is not such YAML.
    """
    import yaml

    text = read_text(path, kind)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_extent(yaml.parse(text, Loader=loader), f"{kind} {path}", most_values)
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-13-45
        raise ConfigError(f"{kind} {path} cannot be read ({_first_line(error)}).") from error


def _check_extent(events: Any, label: str, most_values: int) -> None:
    """Raise `ConfigError` if the document is deeper or, with its aliases written out, longer than a recipe can be."""
    import yaml

    count = 0
    sizes: dict[str, int] = {}  # of what an anchor names, aliases within written out
    around: list[tuple[str | None, int]] = []  # the anchors of the collections around, and the count before each
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in around):
                raise ConfigError(f"{label} contains itself: its '*{event.anchor}' stands within '&{event.anchor}'.")
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            if anchor:
                sizes[anchor] = count - before
        if count > most_values:
            raise ConfigError(f"{label} stands for more than {most_values} values: that is not what is meant.")
        if len(around) > _DEEPEST:
            raise ConfigError(f"{label} is nested deeper than {_DEEPEST} levels: that is not what is meant.")


def _first_line(error: Exception) -> str:
    """What is wrong and where, of an error that may go on for a page."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem:
        return f"{problem}, line {mark.line + 1}" if mark is not None else str(problem)
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:200]
