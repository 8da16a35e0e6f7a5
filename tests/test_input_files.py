"""Small files that users name, and what poses as one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastnst.errors import ConfigError
from fastnst.input_files import MAX_DOCUMENT_BYTES, read_json, read_text, read_yaml


def test_text_is_read_with_or_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\r\n")
    assert read_text(path, "note") == "café\r\n"
    path.write_bytes(b"x" * 100)
    assert len(read_text(path, "note", limit=100)) == 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these")
def test_what_never_ends_or_never_begins_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(ConfigError, match="pipe or a device"):
            read_text(path, "note")


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    cases: list[tuple[bytes, str]] = [
        (b"x" * (MAX_DOCUMENT_BYTES + 1), "larger than 1,048,576 bytes"),
        (b"name: caf\xe9", r"not a text in UTF-8 \(byte 9"),
        ("name: x\n".encode("utf-16"), r"not a text in UTF-8 \(byte 0"),
        (b"a: [1, 2\nb: {", "line 2"),
        (b"a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (b"a: !x y", "could not determine a constructor"),
        (b"a: 2020-13-45", "month must be in"),
        (b"a: " + b"[" * 3000 + b"]" * 3000, r"deeper than|nesting depth"),
        (b"a: &m {b: *m}", "contains itself"),
        (b"a: &m [*m]", "contains itself"),
        (b"a: b\0c", "cannot be read"),
    ]
    for content, message in cases:
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message) as raised:
            read_yaml(path, "recipe")
        assert "\n" not in str(raised.value)
    for missing in (tmp_path, tmp_path / "none", "a\0b", "x" * 5000):
        with pytest.raises(ConfigError, match=r"cannot be opened|is a folder"):
            read_text(missing, "note")
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="is not JSON"):
        read_json(path, "report")


def test_a_billion_laughs_are_counted_before_they_are_made(tmp_path: Path) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "laughs.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="more than 20000 values"):
        read_yaml(path, "recipe")
    path.write_text("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")  # honest aliases
    assert read_yaml(path, "recipe") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}
