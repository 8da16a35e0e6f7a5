"""Refuse a model file that would have an engine open other files: weights beside it, or somebody's compiled engines."""

from __future__ import annotations

import os
from mmap import ACCESS_READ, mmap
from pathlib import Path

from fastnst.errors import ModelError
from fastnst.protobuf import BYTES, VARINT, fields

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
        for field in fields(data, start, end):
            is_elsewhere = field.number == _DATA_LOCATION and field.wire == VARINT and field.value
            if kind == "tensor" and (field.number == _EXTERNAL_DATA or is_elsewhere):
                return "keeps weights in other files (ONNX external data)"
            if field.wire != BYTES:
                continue
            if kind == "node" and field.number == _OPERATOR and data[field.content : field.end] == _COMPILED:
                return "names a compiled engine (EPContext)"
            if child := _CHILDREN[kind].get(field.number):
                waiting.append((child, field.content, field.end))
    return None
