"""Read small files that users name: recipes, notes, reports. Nothing that never ends, nothing of gigabytes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from fastnst.errors import ConfigError, FastNSTError, reason_of

MAX_DOCUMENT_BYTES = 1 << 20  # bytes of YAML or JSON; the longest recipe that ships has two thousand
_BLOCK_BYTES = 1 << 20
_MAX_DEPTH = 64  # levels of such a document
_MAX_BITS = 1000  # of a whole number; a float holds less than 2¹⁰²⁴


def expanded(path: str | Path) -> Path:
    """`path` with a leading `~` or `~user` written out; of a user that there is not, it stays as it is.

    Unlike `Path.expanduser`, it takes any text.
    """
    return Path(os.path.expanduser(path))


def check_file(path: str | Path, what: str, error: type[FastNSTError] = ConfigError) -> Path:
    """`path` itself; raises `error` unless it is a plain file, or a link to one.

    Args:
        path: what the user named.
        what: how to call it in the sentence, such as "recipe".
        error: the class to raise.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as failure:
        raise error(f"the {what} {path} cannot be opened ({reason_of(failure)}).") from failure
    if stat.S_ISDIR(mode):
        raise error(f"{path} is a folder where a {what} is expected.")
    if not stat.S_ISREG(mode):
        raise error(f"{path} is a pipe or a device where a {what} is expected: name a file.")
    return path


def read_bytes(path: str | Path, what: str, *, limit: int = 1 << 24, error: type[FastNSTError] = ConfigError) -> bytes:
    """The content of a file of at most `limit` bytes; raises `error` for more, and as `check_file`."""
    path = check_file(path, what, error)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as failure:
        raise error(f"the {what} {path} cannot be read ({failure.strerror}).") from failure
    if len(content) > limit:
        raise error(f"the {what} {path} is larger than {limit:,} bytes, which no {what} needs.")
    return content


def read_text(path: str | Path, what: str, *, limit: int = 1 << 24, error: type[FastNSTError] = ConfigError) -> str:
    """The text of a file, UTF-8 with or without a mark; raises `error` for other bytes, and as `read_bytes`."""
    try:
        return read_bytes(path, what, limit=limit, error=error).decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise error(f"the {what} {path} is not a text in UTF-8 (byte {failure.start}).") from failure


def sha256_of(*paths: Path) -> str:
    """The SHA-256 of what files hold, one after the other: 64 hexadecimal digits. No file need fit into the memory."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def read_json(path: str | Path, what: str, *, error: type[FastNSTError] = ConfigError) -> Any:
    """The content of a small JSON file. Raises `error` as `read_text` does, and for what is not JSON."""
    text = read_text(path, what, limit=MAX_DOCUMENT_BYTES, error=error)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as failure:
        raise error(f"the {what} {path} is not JSON ({_first_line(failure)}).") from failure


def read_yaml(path: str | Path, what: str, *, most_values: int = 20_000) -> Any:
    """The content of a small YAML file of plain values.

    Aliases count as often as they are used and may not contain themselves, so that a few hundred bytes cannot stand for
    gigabytes ("billion laughs"). Raises `ConfigError` as `read_text` does, and for what is not such YAML.
    """
    import yaml

    text = read_text(path, what, limit=MAX_DOCUMENT_BYTES)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_extent(yaml.parse(text, Loader=loader), f"the {what} {path}", most_values)
        content = yaml.load(text, Loader=loader)
        check_numbers(content, f"the {what} {path}")
        return content
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-13-45
        raise ConfigError(f"the {what} {path} cannot be read ({_first_line(error)}).") from error


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
            count += sizes.get(str(event.anchor), 1)
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
        if len(around) > _MAX_DEPTH:
            raise ConfigError(f"{label} is nested deeper than {_MAX_DEPTH} levels: that is not what is meant.")


def check_numbers(value: Any, label: str) -> None:
    """Raise `ConfigError` for whole numbers that no float can hold: hexadecimal digits are read without end."""
    if isinstance(value, dict | list):
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            check_numbers(one, label)
    elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ConfigError(f"{label} holds a whole number of {value.bit_length():,} bits, which is not what is meant.")


def _first_line(error: Exception) -> str:
    """The fault and its place, of an error that may go on for a page."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem:
        return f"{problem}, line {mark.line + 1}" if mark is not None else str(problem)
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:200]
