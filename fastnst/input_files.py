"""Read small files that users name: recipes, notes, reports. Nothing that never ends, nothing of gigabytes."""

from __future__ import annotations

import stat
from pathlib import Path

from fastnst.errors import ConfigError, FastNSTError


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
        reason = failure.strerror if isinstance(failure, OSError) else failure
        raise error(f"the {what} {path} cannot be opened ({reason}).") from failure
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
