"""Text from files, names and options made fit for a terminal: it cannot steer it, nor fill it."""

from __future__ import annotations

import logging
from typing import Any

MAX_LINE_CHARACTERS = 500  # characters of a line for a user
_JOINERS = "\u200c\u200d"  # zero-width, of emoji and of several scripts; they do nothing by themselves


def printable(text: object, max_characters: int = MAX_LINE_CHARACTERS) -> str:
    """`text` on one line: what would steer a terminal is shown as an escape; of what is longer the middle is cut.

    Escapes (`\\x1b`) stand for control characters, line breaks, marks that change the direction of writing, and what is
    no character at all.

    >>> printable("a\\x1b[31m\\nb")
    'a\\\\x1b[31m\\\\nb'
    >>> printable("0123456789" * 10, 30)
    '01234567890123456 … 0123456789'
    """
    line = str(text)
    if len(line) > max_characters:
        tail = max_characters // 3  # the remedy stands at the end
        line = f"{line[: max_characters - tail - 3]} … {line[-tail:]}"
    return "".join(character if _is_harmless(character) else _escape(character) for character in line)


def one_line(text: str) -> str:
    """`text` with every run of white space as one space; other control characters as in `printable`; not cut.

    >>> one_line(" The Starry\\n Night ")
    'The Starry Night'
    """
    return printable(" ".join(text.split()), max_characters=max(MAX_LINE_CHARACTERS, len(text)))


def harmless_record(*values: Any, **named: Any) -> logging.LogRecord:
    """A log record whose message is printable if fastnst says it; for `logging.setLogRecordFactory`.

    Of a message with arguments the format is ours and may have several lines; what is put into it is made printable.
    """
    record = logging.LogRecord(*values, **named)
    if record.name.partition(".")[0] != "fastnst":
        return record
    if isinstance(record.args, tuple) and record.args:
        record.args = tuple(part if isinstance(part, int | float) else printable(part) for part in record.args)
    else:
        record.msg, record.args = printable(record.getMessage()), None
    return record


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS


def _escape(character: str) -> str:
    if character.isspace() and character not in "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "  # a space of another width
    return character.encode("unicode_escape", "surrogatepass").decode()
