"""Read what a style model file says about itself without opening it for work: no engine, no threads, no weights.

An .onnx is one protobuf message (onnx/onnx.proto, `ModelProto`). Its properties are entries at the top level, beside
the graph, so everything else is stepped over by its length.
"""

from __future__ import annotations

import os
from mmap import ACCESS_READ, mmap
from pathlib import Path

from fastnst.errors import ModelError
from fastnst.protobuf import BYTES, fields
from fastnst.runtime.models.metadata import PREFIX, MattingMetadata, StyleMetadata

_PROPERTIES = 14  # ModelProto.metadata_props: StringStringEntryProto with key = 1 and value = 2
_MAX_MODEL_BYTES = 1 << 31  # of a message, by the rules of protobuf
_MAX_BYTES = 1_000_000  # bytes of one property, and of all of ours together


def read_description(path: str | Path) -> StyleMetadata:
    """The description inside a style model file.

    It is not checked here whether the model itself keeps the contract; `StyleModel` does that when it is opened.
    Raises `ModelError`, in one sentence, for a file that is missing, no ONNX model, or without a style's description.
    """
    path = Path(path)
    check_file(path, "style model")
    properties = read_properties(path)
    try:
        return StyleMetadata.from_properties(properties)
    except ModelError as error:
        raise ModelError(f"{path} is not a fastnst style model: {error}.") from error


def read_matting_description(path: Path) -> MattingMetadata:
    """The description inside a matting model file of ours. Raises `ModelError`, in one sentence."""
    try:
        return MattingMetadata.from_properties(read_properties(path))
    except ModelError as error:
        raise ModelError(f"{path} is not a matting model: {error}.") from error


def check_file(path: Path, what: str) -> None:
    """Raise `ModelError` for a file that is certainly no model; `what` says which kind was wanted."""
    try:
        os.fsencode(path).decode("utf-8")  # engines take names in UTF-8 only
        if os.path.isdir(path):
            raise ModelError(f"the {what} {path} is a folder.")
        if not os.path.isfile(path):
            raise ModelError(f"the {what} {path} does not exist.")
        size = path.stat().st_size
        if size == 0:
            raise ModelError(f"the {what} {path} is empty (0 bytes).")
        if size > _MAX_MODEL_BYTES:
            raise ModelError(f"the {what} {path} has {size >> 20:,} MB, more than an ONNX model can have (2,048).")
    except UnicodeError as error:
        raise ModelError(f"the name of the {what} {path} is not text in UTF-8: rename it.") from error
    except OSError as error:
        raise ModelError(f"the {what} {path} cannot be opened ({error.strerror}).") from error


def read_properties(path: Path) -> dict[str, str]:
    """The properties `fastnst.…` of an .onnx, unchecked but bounded; of several with one name the last.

    Raises `ModelError`, in one sentence, for a file that cannot be read or is no ONNX model.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _properties(data)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"the description in {path} is damaged (it is not UTF-8).") from error
    except ValueError as error:
        raise ModelError(f"{path} is not an ONNX model, or it is damaged or cut short.") from error


def _properties(data: mmap) -> dict[str, str]:
    """Raises `ValueError` for what is not a protobuf message, `UnicodeDecodeError` for a text of ours not in UTF-8."""
    properties: dict[str, str] = {}
    total = 0
    for field in fields(data):
        size = field.end - field.content
        if field.number != _PROPERTIES or field.wire != BYTES or size > _MAX_BYTES:
            continue
        key, value = _entry(data[field.content : field.end])
        if not key.startswith(PREFIX.encode()):
            continue  # another program's
        total += size
        if total > _MAX_BYTES:
            raise ValueError("too long a description")
        properties[key.decode()] = value.decode()
    return properties


def _entry(entry: bytes) -> tuple[bytes, bytes]:
    texts = {1: b"", 2: b""} | {
        field.number: entry[field.content : field.end] for field in fields(entry) if field.wire == BYTES
    }
    return texts[1], texts[2]
