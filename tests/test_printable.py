"""What comes from files, names and options is shown without control characters."""

from __future__ import annotations

from fastnst.printable import harmless_record


def test_a_log_messages_own_lines_stay() -> None:
    record = harmless_record("fastnst.x", 20, "file", 1, "trained %s\nNext: %d, %.1f", ("a\x1b[31m\nb", 3, 0.5), None)
    assert record.getMessage() == "trained a\\x1b[31m\\nb\nNext: 3, 0.5"
    plain = harmless_record("fastnst.x", 20, "file", 1, "a\x1b[31m\nb", None, None)
    assert plain.getMessage() == "a\\x1b[31m\\nb"
