"""Refuse a model file that would have an engine open other files: weights beside it, or somebody's compiled engines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from fastnst.errors import ModelError

_VARINT, _BYTES = 0, 2  # protobuf's wire types
_FIXED = {1: 8, 5: 4}
# Where messages of onnx.proto hold other messages, as far as tensors and nodes may be in them: by field number.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function", 20: "training"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION, _OPERATOR = 13, 14, 4  # of TensorProto, TensorProto and NodeProto
_COMPILED = b"EPContext"  # the operator that stands for an engine in a file of its own
_MAX_FIELD_NUMBER = (1 << 29) - 1  # of a field


def check_self_contained(path: Path) -> None:
    """Raise `ModelError` if the model at `path` names other files for an engine to open, or is no ONNX model.

    onnxruntime and OpenVINO follow a tensor's `external_data` to any file beside the model, and an `EPContext` node to
    a compiled engine, before anything of ours can look at the result.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ValueError("nothing in it")
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                reason = _other_files(data)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ModelError(f"{path} is not an ONNX model, or it is damaged or cut short.") from error
    if reason:
        raise ModelError(f"{path} {reason}: a model must be one file that holds all of itself. Export it as one.")


def _other_files(data: mmap) -> str | None:
    """Which other files the model wants, in words. Raises `ValueError` for what is no protobuf message."""
    waiting = [("model", 0, len(data))]
    while waiting:
        kind, start, end = waiting.pop()
        for number, value, size in _fields(data, start, end):
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and size < 0 and value)):
                return "keeps weights in other files (ONNX external data)"
            if size < 0:
                continue
            if kind == "node" and number == _OPERATOR and data[value : value + size] == _COMPILED:
                return "names a compiled engine (EPContext)"
            if child := _CHILDREN[kind].get(number):
                waiting.append((child, value, value + size))
    return None


def _fields(data: mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each field's number, its value, and −1; of bytes and messages where they begin, and their length."""
    place = start
    while place < end:
        tag, place = _varint(data, place, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= _MAX_FIELD_NUMBER:
            raise ValueError("no field has that number")
        if wire == _VARINT:
            value, place = _varint(data, place, end)
            yield number, value, -1
            continue
        size, place = _varint(data, place, end) if wire == _BYTES else (_FIXED.get(wire, -1), place)
        if size < 0 or place + size > end:
            raise ValueError("it ends too early")
        if wire == _BYTES:
            yield number, place, size
        place += size


def _varint(data: mmap, place: int, end: int) -> tuple[int, int]:
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
