"""Read what a style model file says about itself without opening it for work: no engine, no threads, no weights.

An .onnx is one protobuf message (onnx/onnx.proto, `ModelProto`). Its properties are entries at the top level, beside
the graph, so everything else is stepped over by its length.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from fastnst.errors import ModelError
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_model import check_file

_PROPERTIES = 14  # ModelProto.metadata_props: StringStringEntryProto with key = 1 and value = 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types


def read_description(path: str | Path) -> StyleMetadata:
    """The description inside a style model file.

    It is not checked here whether the model itself keeps the contract; `StyleModel` does that when it is opened.
    Raises `ModelError`, in one sentence, for a file that is missing, no ONNX model, or without a style's description.
    """
    path = Path(path)
    check_file(path)
    try:
        with path.open("rb") as file:
            properties = _properties(file, path.stat().st_size)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ModelError(f"{path} is not an ONNX model, or it is damaged.") from error
    try:
        if properties.get("fastnst.kind"):
            raise ModelError(f"it is a {properties['fastnst.kind']} model")
        return StyleMetadata.from_properties(properties)
    except ModelError as error:
        raise ModelError(f"{path} is not a fastnst style model: {error}.") from error


def _properties(file: BinaryIO, size: int) -> dict[str, str]:
    properties = {}
    while file.tell() < size:
        number, entry = _field(file, size, wanted=_PROPERTIES)
        if number == _PROPERTIES and entry is not None:
            key, value = _entry(entry)
            properties[key] = value
    return properties


def _entry(data: bytes) -> tuple[str, str]:
    file, texts = io.BytesIO(data), {1: "", 2: ""}
    while file.tell() < len(data):
        number, text = _field(file, len(data))
        texts[number] = (text or b"").decode()
    return texts[1], texts[2]


def _field(file: BinaryIO, size: int, wanted: int | None = None) -> tuple[int, bytes | None]:
    """The next field's number and, where it is bytes, these; of fields not wanted they are stepped over.

    Raises `ValueError` for what is no protobuf message, or ends too early.
    """
    tag = _varint(file)
    number, kind = tag >> 3, tag & 7
    if kind == _VARINT:
        _varint(file)
        return number, None
    length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
    if kind == _BYTES:
        length = _varint(file)
    if number == 0 or length is None or file.tell() + length > size:
        raise ValueError("no protobuf message")
    if kind == _BYTES and wanted in (None, number):
        return number, file.read(length)
    file.seek(length, 1)
    return number, None


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number without an end")
