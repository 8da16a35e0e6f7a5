"""Protobuf messages, read a field at a time (protobuf.dev/programming-guides/encoding), without the package.

An .onnx is one such message (onnx/onnx.proto, `ModelProto`). A mapped file is read only where its fields lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_FIELD_NUMBER = (1 << 29) - 1


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: of the field in its message.
        wire: how it is written: `VARINT`, `FIXED64`, `BYTES` (texts and messages too) or `FIXED32`.
        value: of a varint; else 0.
        start: where it begins, with its tag.
        content: where its content begins.
        end: where it ends.
    """

    number: int
    wire: int
    value: int
    start: int
    content: int
    end: int


def fields(data: bytes | mmap, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message between two places. Raises `ValueError` for what is not a message.

    >>> [(field.number, field.value) for field in fields(bytes([1 << 3, 150, 1]))]
    [(1, 150)]
    """
    end = len(data) if end is None else end
    place = start
    while place < end:
        begin = place
        tag, content = _varint(data, place, end)
        number, wire, value = tag >> 3, tag & 7, 0
        if not 0 < number <= _MAX_FIELD_NUMBER:
            raise ValueError("no field has that number")
        if wire == VARINT:
            value, place = _varint(data, content, end)
        elif wire == BYTES:
            size, content = _varint(data, content, end)
            place = content + size
        elif wire in _FIXED_BYTES:
            place = content + _FIXED_BYTES[wire]
        else:
            raise ValueError("no protobuf message")
        if place > end:
            raise ValueError("it ends too early")
        yield Field(number, wire, value, begin, content, place)


def _varint(data: bytes | mmap, place: int, end: int) -> tuple[int, int]:
    """A number of up to ten bytes, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without an end")
