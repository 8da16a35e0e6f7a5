"""Protobuf messages: fields where onnx's own writer puts them, and one kind of error for all that is damaged."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from fastnst.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, fields


def test_fields_lie_where_they_were_written() -> None:
    node = helper.make_node("Conv", ["x", "weights"], ["y"])
    graph = helper.make_graph([node], "graph", [], [])
    data = helper.make_model(graph, producer_name="fastnst", ir_version=8).SerializeToString()
    found = {field.number: field for field in fields(data)}
    assert found[1].value == 8  # ModelProto.ir_version
    assert data[found[2].content : found[2].end] == b"fastnst"  # .producer_name
    (inner,) = [field for field in fields(data, found[7].content, found[7].end) if field.number == 1]  # .graph.node
    read = onnx.NodeProto.FromString(data[inner.content : inner.end])
    assert read == node
    assert b"".join(data[field.start : field.end] for field in fields(data)) == data


def test_every_wire_type() -> None:
    message = (
        bytes([1 << 3, 0x96, 1]) + bytes([2 << 3 | 1, *range(8)]) + bytes([3 << 3 | 2, 1, 7, 4 << 3 | 5, 1, 2, 3, 4])
    )
    assert list(fields(message)) == [
        Field(1, VARINT, 150, 0, 1, 3),
        Field(2, FIXED64, 0, 3, 4, 12),
        Field(3, BYTES, 0, 12, 14, 15),
        Field(4, FIXED32, 0, 15, 16, 20),
    ]


@pytest.mark.parametrize(
    "message",
    [
        bytes([0, 1]),  # the field 0
        bytes([1 << 3 | 3]),  # a group, which nothing writes any more
        bytes([1 << 3, 0x80]),  # a number that goes on
        bytes([1 << 3, *[0x80] * 10, 1]),  # eleven bytes
        bytes([1 << 3 | 2, 5, 1]),  # longer than what is there
        bytes([1 << 3 | 5, 1]),
    ],
)
def test_damage(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"number|protobuf|early"):
        list(fields(message))
