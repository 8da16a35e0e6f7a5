"""Steps on an ONNX graph before it is written: cleaning, naming, describing, checking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastnst.half_weights import halve_weights

OPSET = 18  # CUDA has kernels for Pad and Resize of later opsets only from onnxruntime 1.25 on
# Image metadata of the ONNX specification (docs/MetadataProps.md), which Windows ML and viewers read.
_IMAGE = {
    "Image.BitmapPixelFormat": "Rgb8",
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "NominalRange_0_255",
}
_AXES = ("batch", "height", "width")
_AXIS_KINDS = ("DATA_BATCH", "DATA_FEATURE", "DATA_FEATURE", "DATA_CHANNEL")


def save_graph(model: Any, properties: Mapping[str, str], path: Path, *, doc: str = "", halve: bool = False) -> None:
    """Describe, check and write an ONNX model, readable for runtimes as old as its operators allow.

    `properties` are its own metadata; `doc` describes it to a reader. Both replace what was there. With `halve`,
    weights are kept in half precision.
    """
    import onnx

    model.doc_string = doc
    model.ir_version = onnx.helper.find_min_ir_version_for(list(model.opset_import))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**properties, **_IMAGE})
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    path.write_bytes(halve_weights(content) if halve else content)


def strip_traces(model: Any) -> None:
    """Remove the exporter's stack traces: 90 kB of text with the paths of the machine that exported."""
    model.doc_string = model.graph.doc_string = ""
    del model.metadata_props[:], model.graph.metadata_props[:]
    for item in _documented(model):
        item.doc_string = ""
        del item.metadata_props[:]


def name_dimensions(model: Any, channels: tuple[int, int], size: tuple[int, int] | None = None) -> None:
    """Give input and output the same readable dimensions `[batch, height, width, channels]`, and say what they are.

    With `size`, height and width, the batch is 1 and all are fixed.
    """
    fixed = (1, *size) if size else None
    for value, last in zip((*model.graph.input, *model.graph.output), channels, strict=True):
        value.type.denotation = "IMAGE"
        dimensions = value.type.tensor_type.shape.dim
        for number, dimension in enumerate(dimensions):
            dimension.Clear()
            dimension.denotation = _AXIS_KINDS[number]
            if number == 3:
                dimension.dim_value = last
            elif fixed:
                dimension.dim_value = fixed[number]
            else:
                dimension.dim_param = _AXES[number]


def _documented(model: Any) -> Iterator[Any]:
    graph = model.graph
    yield from (*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info)
    for function in model.functions:
        yield function
        yield from function.node
