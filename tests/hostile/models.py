"""Model files that lie, break their contract or are damaged, made here from nothing; no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fastnst.runtime.models.metadata import StyleMetadata

FREE = ("batch", "height", "width", 3)
GOOD = StyleMetadata(name="good", title="Good", network="swift").to_properties()


def model_bytes(
    nodes: list[onnx.NodeProto] | None = None,
    constants: list[onnx.TensorProto] | None = None,
    properties: dict[str, str] | None = None,
) -> bytes:
    """A model that declares the contract of styles; by default it leaves the picture."""
    nodes = nodes or [helper.make_node("Identity", ["image"], ["stylized"])]
    values = [helper.make_tensor_value_info(name, TensorProto.UINT8, FREE) for name in ("image", "stylized")]
    graph = helper.make_graph(nodes, "hostile", values[:1], values[1:], constants or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, GOOD if properties is None else properties)
    return bytes(model.SerializeToString())


def raw_property(key: bytes, value: bytes) -> bytes:
    """A metadata property in protobuf's own bytes, which need not be UTF-8."""
    entry = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
    return b"\x72" + _varint(len(entry)) + entry


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def broken_promises() -> Iterator[tuple[str, bytes]]:
    """Models whose declared result is a picture of the same size, and whose result is not."""

    def slices(axis: int, end: int, step: int = 1) -> bytes:
        numbers = {"start": 0, "end": end, "axis": axis, "step": step}
        constants = [numpy_helper.from_array(np.array([value]), name) for name, value in numbers.items()]
        return model_bytes([helper.make_node("Slice", ["image", *numbers], ["stylized"])], constants)

    def divides(operator: str, kind: int) -> bytes:
        return model_bytes(
            [
                helper.make_node("Cast", ["image"], ["numbers"], to=kind),
                helper.make_node("Sub", ["numbers", "numbers"], ["zero"]),
                helper.make_node(operator, ["numbers", "zero"], ["divided"]),
                helper.make_node("Cast", ["divided"], ["stylized"], to=TensorProto.UINT8),
            ]
        )

    def concatenated(*parts: str, axis: int) -> bytes:
        return model_bytes([helper.make_node("Concat", list(parts), ["stylized"], axis=axis)])

    yield "half the rows", slices(1, 2**31, 2)
    yield "no rows", slices(1, 0)
    yield "no picture", slices(0, 0)
    yield "one channel", slices(3, 1)
    yield "twice the size", concatenated("image", "image", axis=2)
    yield "two pictures", concatenated("image", "image", axis=0)
    yield "turned", model_bytes([helper.make_node("Transpose", ["image"], ["stylized"], perm=[0, 2, 1, 3])])
    yield "division by zero", divides("Div", TensorProto.INT32)
    yield "remainder by zero", divides("Mod", TensorProto.INT64)
    indices = [numpy_helper.from_array(np.array([99_999]), "index")]
    yield "beyond the end", model_bytes([helper.make_node("Gather", ["image", "index"], ["stylized"], axis=1)], indices)
    shape = [numpy_helper.from_array(np.array([1 << 40, 1 << 20]), "shape")]
    yield (
        "all memory",
        model_bytes(
            [
                helper.make_node("ConstantOfShape", ["shape"], ["big"]),
                helper.make_node("ReduceMax", ["big"], ["least"], keepdims=0),
                helper.make_node("Cast", ["least"], ["byte"], to=TensorProto.UINT8),
                helper.make_node("Add", ["image", "byte"], ["stylized"]),
            ],
            shape,
        ),
    )


def damaged(content: bytes, count: int) -> Iterator[bytes]:
    """The file cut at `count` places, and with one bit changed at as many."""
    generator = np.random.default_rng(0)
    for place in generator.integers(1, len(content), count):
        yield content[:place]
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(8))
        yield bytes(changed)


def write(path: Path, content: bytes) -> Path:
    """The content in a file."""
    path.write_bytes(content)
    return path
