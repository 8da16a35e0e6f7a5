"""Model files at half the size: weights kept in half precision, with a cast behind each.

The network still computes in float32, so that pictures move by one level of 255 at most; runtimes fold the casts when
they load it. An .onnx is one protobuf message (onnx/onnx.proto); only its initializers are rewritten, and everything
else is copied byte for byte, so that no onnx package is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastnst.errors import ModelError
from fastnst.protobuf import BYTES, VARINT, fields

_GRAPH = 7  # ModelProto.graph
_NODE, _INITIALIZER = 1, 5  # GraphProto.node, GraphProto.initializer
_DIMS, _DATA_TYPE, _FLOAT_DATA, _NAME, _RAW_DATA = 1, 2, 4, 8, 9  # TensorProto
_FLOAT, _FLOAT16 = 1, 10  # TensorProto.DataType
_MIN_CAST_SIZE = 64  # smaller constants stay as they are: nothing is saved
_MAX_HALF = float(np.finfo(np.float16).max)

HALF = ".half"  # behind the name of a weight that is kept so


def halve_weights(model: bytes) -> bytes:
    """The same model with its larger float32 weights in float16; models that have none come back unchanged.

    Raises `ModelError` for what is not an ONNX model.
    """
    try:
        parts = [_halved_graph(body) if number == _GRAPH else raw for number, raw, body in _parts(model)]
    except (ValueError, KeyError) as error:
        raise ModelError("the file is not an ONNX model, or it is damaged.") from error
    return b"".join(parts)


def _halved_graph(graph: bytes) -> bytes:
    """GraphProto with casts first: ONNX wants nodes in the order in which they can run."""
    casts, others = [], []
    for number, raw, body in _parts(graph):
        if number == _INITIALIZER and (halved := _halved_tensor(body)):
            name, tensor = halved
            casts.append(_message(_NODE, _cast_node(name)))
            others.append(_message(_INITIALIZER, tensor))
        else:
            others.append(raw)
    return _message(_GRAPH, b"".join((*casts, *others)))


def _halved_tensor(tensor: bytes) -> tuple[str, bytes] | None:
    """The tensor's name and the tensor in float16; None for one that stays."""
    parts = list(_parts(tensor))
    # A repeated field may come packed (one field of bytes) or, dims, as one varint each.
    found = {number: body for number, _, body in parts}
    if found.get(_DATA_TYPE) != _write_varint(_FLOAT):
        return None
    data = found.get(_RAW_DATA) or found.get(_FLOAT_DATA) or b""
    if len(data) % 4 or len(data) < 4 * _MIN_CAST_SIZE:
        return None
    values = np.frombuffer(data, "<f4")
    if not np.abs(values).max() <= _MAX_HALF:
        return None
    name = found[_NAME].decode()
    dims = b"".join(raw for number, raw, _ in parts if number == _DIMS)
    return name, b"".join(
        (
            dims,
            _write_varint(_DATA_TYPE << 3 | VARINT) + _write_varint(_FLOAT16),
            _message(_NAME, f"{name}{HALF}".encode()),
            _message(_RAW_DATA, values.astype("<f2").tobytes()),
        )
    )


def _cast_node(name: str) -> bytes:
    """NodeProto: input = 1, output = 2, op_type = 4, attribute = 5 (AttributeProto: name = 1, i = 3, type = 20)."""
    to = _message(1, b"to") + _write_varint(3 << 3) + _write_varint(_FLOAT) + _write_varint(20 << 3) + _write_varint(2)
    return _message(1, f"{name}{HALF}".encode()) + _message(2, name.encode()) + _message(4, b"Cast") + _message(5, to)


def _parts(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field's number, its bytes with the tag, and its content; raises `ValueError` for what is not a message."""
    for field in fields(message):
        yield field.number, message[field.start : field.end], message[field.content : field.end]


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _message(number: int, body: bytes) -> bytes:
    return _write_varint(number << 3 | BYTES) + _write_varint(len(body)) + body
