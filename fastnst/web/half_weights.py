"""Style model files at half the download: weights kept in half precision, with a cast behind each.

The network still computes in float32, so that pictures move by one level of 255 at most. An .onnx is one protobuf
message (onnx/onnx.proto); only its initializers are rewritten, and everything else is copied byte for byte, so that
no onnx package is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastnst.errors import ModelError

_GRAPH = 7  # ModelProto.graph
_NODE, _INITIALIZER = 1, 5  # GraphProto.node, GraphProto.initializer
_DIMS, _DATA_TYPE, _FLOAT_DATA, _NAME, _RAW_DATA = 1, 2, 4, 8, 9  # TensorProto
_FLOAT, _FLOAT16 = 1, 10  # TensorProto.DataType
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types
_MIN_CAST_SIZE = 64  # smaller constants stay as they are: nothing is saved
_MAX_HALF = float(np.finfo(np.float16).max)


def halve_weights(model: bytes) -> bytes:
    """The same model with its larger float32 weights in float16; models that have none come back unchanged.

    Raises `ModelError` for what is not an ONNX model.
    """
    try:
        parts = [_halved_graph(body) if number == _GRAPH else raw for number, raw, body in _fields(model)]
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError("the file is not an ONNX model, or it is damaged.") from error
    return b"".join(parts)


def _halved_graph(graph: bytes) -> bytes:
    """GraphProto with casts first: ONNX wants nodes in the order in which they can run."""
    casts, others = [], []
    for number, raw, body in _fields(graph):
        if number == _INITIALIZER and (halved := _halved_tensor(body)):
            name, tensor = halved
            casts.append(_message(_NODE, _cast_node(name)))
            others.append(_message(_INITIALIZER, tensor))
        else:
            others.append(raw)
    return _message(_GRAPH, b"".join((*casts, *others)))


def _halved_tensor(tensor: bytes) -> tuple[str, bytes] | None:
    """The tensor's name and the tensor in float16; None for one that stays."""
    fields = list(_fields(tensor))
    # A repeated field may come packed (one field of bytes) or, dims, as one varint each.
    found = {number: body for number, _, body in fields}
    if found.get(_DATA_TYPE) != _write_varint(_FLOAT):
        return None
    data = found.get(_RAW_DATA) or found.get(_FLOAT_DATA) or b""
    if len(data) % 4 or len(data) < 4 * _MIN_CAST_SIZE:
        return None
    values = np.frombuffer(data, "<f4")
    if not np.abs(values).max() <= _MAX_HALF:
        return None
    name = found[_NAME].decode()
    dims = b"".join(raw for number, raw, _ in fields if number == _DIMS)
    return name, b"".join(
        (
            dims,
            _write_varint(_DATA_TYPE << 3 | _VARINT) + _write_varint(_FLOAT16),
            _message(_NAME, f"{name}.half".encode()),
            _message(_RAW_DATA, values.astype("<f2").tobytes()),
        )
    )


def _cast_node(name: str) -> bytes:
    """NodeProto: input = 1, output = 2, op_type = 4, attribute = 5 (AttributeProto: name = 1, i = 3, type = 20)."""
    to = _message(1, b"to") + _write_varint(3 << 3) + _write_varint(_FLOAT) + _write_varint(20 << 3) + _write_varint(2)
    return _message(1, f"{name}.half".encode()) + _message(2, name.encode()) + _message(4, b"Cast") + _message(5, to)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field's number, its bytes with the tag, and its content; raises `ValueError` for what is no message."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _read_varint(message, position)
        kind = tag & 7
        begin = position
        if kind == _VARINT:
            _, position = _read_varint(message, position)
        elif kind == _BYTES:
            length, begin = _read_varint(message, position)
            position = begin + length
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("no protobuf message")
        if tag >> 3 == 0 or position > len(message):
            raise ValueError("no protobuf message")
        yield tag >> 3, message[start:position], message[begin:position]


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number without an end")


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _message(number: int, body: bytes) -> bytes:
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(body)) + body
