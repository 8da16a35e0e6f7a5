"""A trained network as a style model file: bytes in, bytes out, self-contained, checked, described."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fastnst
from fastnst.errors import ConfigError, ModelError
from fastnst.networks import StyleNetwork
from fastnst.output_files import write_atomically
from fastnst.runtime.models.metadata import StyleMetadata

OPSET = 20
PRECISIONS = ("fp32", "fp16")
# (batch, height, width): even and odd, portrait and landscape, the smallest that the contract allows.
CHECKED_SIZES = ((1, 16, 16), (1, 64, 96), (2, 97, 130), (1, 203, 151))
_TOLERANCE = 2  # levels of 255
_AGREEING_SHARE = 0.999


class StyleModelGraph(nn.Module):
    """What is exported: uint8 RGB `[N, H, W, 3]` → the same, any H and W ≥ 16.

    Scaling, reflection padding to the network's stride, cropping and rounding are inside.
    """

    def __init__(self, network: StyleNetwork, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.stride = network.stride
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[1], image.shape[2]
        x = image.permute(0, 3, 1, 2).to(self.dtype) / 255
        x = F.pad(x, (0, -width % self.stride, 0, -height % self.stride), mode="reflect")
        y: Tensor = self.network(x)[:, :, :height, :width]
        return (y * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def export_style_model(
    network: StyleNetwork,
    metadata: StyleMetadata,
    path: Path,
    *,
    precision: str = "fp32",
    overwrite: bool = False,
) -> float:
    """Write the style model file (.onnx) and return the share of pixels in which torch and onnxruntime agree.

    The file is written only if, at every size of `CHECKED_SIZES`, at least 99.9 % of the values differ by at most two
    levels from what torch computes in float32. `precision` is `fp32` or `fp16` (for GPUs).

    Raises `ConfigError` for an unknown precision or suffix, `ModelError` if the two disagree, `OutputError` if
    `path` exists or cannot be written.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision '{precision}': choose one of {', '.join(PRECISIONS)}.")
    if path.suffix != ".onnx":
        raise ConfigError(f"a style model file ends in .onnx, {path.name} does not.")
    dtype = torch.float16 if precision == "fp16" else torch.float32
    reference = StyleModelGraph(network.float().eval(), torch.float32)
    with write_atomically(path, overwrite=overwrite) as partial:
        described = replace(metadata, precision=precision, fastnst_version=fastnst.__version__)
        _write_graph(network, dtype, described, partial)
        return _check_parity(reference, partial)


def _write_graph(network: StyleNetwork, dtype: torch.dtype, metadata: StyleMetadata, path: Path) -> None:
    import copy

    graph = StyleModelGraph(copy.deepcopy(network).to(dtype).eval(), dtype)
    save_graph(trace_graph(graph, "stylized", channels=3), metadata.to_properties(), path)


def trace_graph(graph: nn.Module, output: str, *, channels: int, multiple: int = 1) -> Any:
    """A module from uint8 `image` `[N, H, W, 3]` to `output` `[N, H, W, channels]` as an ONNX model, without traces.

    H and W are free; with `multiple`, among the multiples of it.
    """
    import tempfile

    import onnx

    example = torch.randint(0, 256, (2, 66, 75, 3), dtype=torch.uint8)
    shapes: dict[int, Any] = {0: "batch", 1: "height", 2: "width"}
    if multiple > 1:
        example = torch.randint(0, 256, (2, 4 * multiple, 6 * multiple, 3), dtype=torch.uint8)
        shapes = {0: "batch", 1: multiple * torch.export.Dim("rows"), 2: multiple * torch.export.Dim("columns")}
    noisy = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in noisy]
    try:
        for logger in noisy:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # deprecations inside the exporter, which a user cannot act on
            traced = Path(folder) / "graph.onnx"
            torch.onnx.export(
                graph,
                (example,),
                str(traced),
                dynamic_shapes={"image": shapes},
                input_names=["image"],
                output_names=[output],
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
            model = onnx.load(traced)
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
    _strip_traces(model)
    _name_dimensions(model, (3, channels))
    return model


def save_graph(model: Any, properties: dict[str, str], path: Path) -> None:
    """Describe, check and write an ONNX model."""
    import onnx

    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _strip_traces(model: Any) -> None:
    """Remove the exporter's stack traces: 90 kB of text with the paths of the machine that exported."""
    graph = model.graph
    model.doc_string = graph.doc_string = ""
    del model.metadata_props[:], graph.metadata_props[:]
    for item in [*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info]:
        item.doc_string = ""
        del item.metadata_props[:]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]


def _name_dimensions(model: Any, channels: tuple[int, int]) -> None:
    """Give input and output the same readable dimensions `[batch, height, width, channels]`."""
    for value, last in zip((*model.graph.input, *model.graph.output), channels, strict=True):
        dimensions = value.type.tensor_type.shape.dim
        for dimension, name in zip(dimensions[:3], ("batch", "height", "width"), strict=True):
            dimension.Clear()
            dimension.dim_param = name
        dimensions[3].Clear()
        dimensions[3].dim_value = last


def _check_parity(reference: StyleModelGraph, path: Path) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    worst = 1.0
    for batch, height, width in CHECKED_SIZES:
        image = shaded_picture(generator, batch, height, width)
        with torch.inference_mode():
            expected = reference(torch.from_numpy(image)).numpy().astype(np.int16)
        found = session.run(["stylized"], {"image": image})[0].astype(np.int16)
        if found.shape != expected.shape:
            raise ModelError(f"the exported model returns {found.shape} for {image.shape}: it was not written.")
        agreeing = float((np.abs(found - expected) <= _TOLERANCE).mean())
        worst = min(worst, agreeing)
        if agreeing < _AGREEING_SHARE:
            raise ModelError(
                f"torch and onnxruntime agree in only {agreeing:.2%} of the values at {width}×{height}"
                f" (needed: {_AGREEING_SHARE:.1%} within {_TOLERANCE} levels): the model was not written."
            )
    return worst


def shaded_picture(generator: np.random.Generator, batch: int, height: int, width: int) -> np.ndarray:
    """Smooth shading with edges and noise, like a photo: pure noise would not exercise what networks do."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phases = generator.uniform(0, 6, (batch, 3, 4))
    waves = [np.sin(3 * p[0] * x + p[1]) + np.sin(5 * p[2] * y + p[3]) for p in phases.reshape(-1, 4)]
    shading = np.stack(waves).reshape(batch, 3, height, width).transpose(0, 2, 3, 1)
    edges = 0.8 * (np.floor(4 * x + 2 * y) % 2)[None, ..., None]
    noise = generator.normal(0, 0.1, shading.shape)
    picture: np.ndarray = np.clip((shading + edges + noise + 2) * 60, 0, 255).astype(np.uint8)
    return picture
