"""Small text files, and what poses as one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastnst.errors import ConfigError
from fastnst.text_files import LARGEST, read_json, read_text, read_yaml


def test_text_is_read_with_or_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\r\n")
    assert read_text(path) == "café\r\n"
    path.write_bytes(b"x" * LARGEST)
    assert len(read_text(path)) == LARGEST


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these")
def test_what_never_ends_or_never_begins_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(ConfigError, match="not a regular file"):
            read_text(path)


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    cases: list[tuple[bytes, str]] = [
        (b"x" * (LARGEST + 1), "more than 1.0 MB"),
        (b"name: caf\xe9", "byte 10 is not UTF-8"),
        ("name: x\n".encode("utf-16"), "byte 1 is not UTF-8"),
        (b"a: [1, 2\nb: {", "line 2"),
        (b"a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (b"a: !x y", "could not determine a constructor"),
        (b"a: 2020-13-45", "month must be in"),
        (b"a: " + b"[" * 3000 + b"]" * 3000, "deeper than|nesting depth"),
        (b"a: &m {b: *m}", "contains itself"),
        (b"a: &m [*m]", "contains itself"),
        (b"a: b\0c", "cannot be read"),
    ]
    for content, message in cases:
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message) as raised:
            read_yaml(path)
        assert "\n" not in str(raised.value)
    for missing in (tmp_path, tmp_path / "none", "a\0b", "x" * 5000):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_text(missing)
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="is not JSON"):
        read_json(path)


def test_a_billion_laughs_are_counted_before_they_are_made(tmp_path: Path) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "laughs.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="more than 20000 values"):
        read_yaml(path)
    path.write_text("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")  # honest aliases
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}
