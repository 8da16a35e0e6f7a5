"""A trained network as a style model file: bytes in, bytes out, self-contained, checked, described."""

from __future__ import annotations

import contextlib
import copy
import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fastnst
from fastnst.array_types import UInt8Image
from fastnst.borrowed_graph import borrowed_graph
from fastnst.errors import ConfigError, ModelError
from fastnst.networks import StyleNetwork
from fastnst.networks.folding import folded
from fastnst.onnx_graph import OPSET, name_dimensions, save_graph, strip_traces
from fastnst.output_files import write_atomically
from fastnst.runtime.engine.providers import import_onnxruntime, usable_cores
from fastnst.runtime.engine.quiet import quiet
from fastnst.runtime.engine.session import Session, session_options
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_model import MIN_SIDE

PRECISIONS = ("fp32", "fp16")
# (batch, height, width): even and odd, portrait and landscape, the smallest that the contract allows.
CHECKED_SIZES = ((1, 16, 16), (1, 64, 96), (2, 97, 130), (1, 203, 151))
_TOLERANCE = 2  # levels of 255
_AGREEING_SHARE = 0.999


class StyleModelGraph(nn.Module):
    """The exported graph: uint8 RGB `[N, H, W, 3]` → the same, any H and W ≥ 16.

    Scaling, reflection padding to the network's stride, cropping and rounding are inside. Pixels are turned and rounded
    as floats, by operators that WebGPU has as well.
    """

    def __init__(self, network: StyleNetwork, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.stride = network.stride
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[1], image.shape[2]
        x = image.to(self.dtype).permute(0, 3, 1, 2) / 255
        x = F.pad(x, (0, -width % self.stride, 0, -height % self.stride), mode="reflect")
        y: Tensor = self.network(x)[:, :, :height, :width]
        return (y * 255 + 0.5).floor().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


def export_style_model(
    network: StyleNetwork,
    metadata: StyleMetadata,
    path: Path,
    *,
    precision: str = "fp32",
    size: tuple[int, int] | None = None,
    overwrite: bool = False,
    trace: bool = False,
) -> float:
    """Write the style model file (.onnx) and return the share of values in which torch and onnxruntime agree.

    Weights are kept in half precision, which moves pixels by a level of 255 at most; with `size` in float32. The file
    is written only if, at every size of `CHECKED_SIZES`, at least 99.9 % of the values are what torch computes in
    float32, to two levels.

    Args:
        network: trained.
        metadata: what the file says of itself.
        path: to write to.
        precision: `fp32` or `fp16` (for GPUs).
        size: `(height, width)` of the only pictures that the file takes, for runtimes that cannot work with free
            sizes (OpenCV's dnn, Unity, old engines). fastnst itself does not open such files.
        overwrite: replace an existing file.
        trace: let torch trace the network, even if a style that ships has the graph of such a network.

    Raises `ConfigError` for an unknown precision, suffix or size, `ModelError` if the two disagree, `OutputError` if
    `path` exists or cannot be written.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision '{precision}': choose one of {', '.join(PRECISIONS)}.")
    if path.suffix != ".onnx":
        raise ConfigError(f"a style model file ends in .onnx, {path.name} does not.")
    if size is not None and min(size) < MIN_SIDE:
        raise ConfigError(f"a size must be at least {MIN_SIDE}x{MIN_SIDE}, not {size[1]}x{size[0]}.")
    dtype = torch.float16 if precision == "fp16" else torch.float32
    reference = StyleModelGraph(network.float().eval(), torch.float32)
    described = replace(metadata, precision=precision, fastnst_version=fastnst.__version__)
    flat = folded(copy.deepcopy(network))
    properties = described.to_properties() | ({"fastnst.kind": "fixed-size style"} if size else {})
    sizes = [(1, *size)] if size else CHECKED_SIZES
    with write_atomically(path, overwrite=overwrite) as partial:

        def written(model: Any) -> float:
            # Runtimes that need one size know no weights in half precision either.
            save_graph(model, properties, partial, doc=_documentation(described, size), halve=size is None)
            return _check_parity(reference, partial, sizes)

        if not trace and size is None and precision == "fp32":
            borrowed = borrowed_graph(flat.state_dict(), described)
            with contextlib.suppress(ModelError):  # of a network whose code has changed since
                if borrowed is not None:
                    return written(borrowed)
        return written(trace_graph(StyleModelGraph(flat.to(dtype).eval(), dtype), "stylized", channels=3, size=size))


def _documentation(metadata: StyleMetadata, size: tuple[int, int] | None) -> str:
    """The description that the file shows whoever opens it in a viewer."""
    shape = f"[1, {size[0]}, {size[1]}, 3]" if size else "[N, H, W, 3], H and W at least 16"
    painting = ", ".join(filter(None, (metadata.title, metadata.artist, metadata.year)))
    return (
        f"Restyles photos in the manner of {painting or metadata.name}. Input 'image': RGB bytes {shape}. Output"
        " 'stylized': bytes of the same shape. Scaling, padding and rounding are inside. Made by fastnst"
        f" {metadata.fastnst_version}; weights: {metadata.weights_licence or 'licence not said'};"
        f" painting: {metadata.licence or 'licence not said'}."
    )


def trace_graph(
    graph: nn.Module, output: str, *, channels: int, multiple: int = 1, size: tuple[int, int] | None = None
) -> Any:
    """A module from uint8 `image` `[N, H, W, 3]` to `output` `[N, H, W, channels]` as an ONNX model, without traces.

    H and W are free; with `multiple`, among the multiples of it; with `size`, they are these, and N is 1.
    """
    import onnx

    example = torch.randint(0, 256, (2, 66, 75, 3), dtype=torch.uint8)
    shapes: dict[int, Any] | None = {0: "batch", 1: "height", 2: "width"}
    if size is not None:
        example, shapes = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8), None
    elif multiple > 1:
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
                dynamic_shapes={"image": shapes} if shapes else None,
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
    strip_traces(model)
    name_dimensions(model, (3, channels), size)
    return model


def _check_parity(reference: StyleModelGraph, path: Path, sizes: Sequence[tuple[int, int, int]]) -> float:
    session = cpu_session(path)
    generator = np.random.default_rng(0)
    worst = 1.0
    for batch, height, width in sizes:
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


def cpu_session(path: Path) -> Session:
    """A model just written, opened by onnxruntime on the CPU, which keeps its warnings to itself."""
    with quiet():
        ort = import_onnxruntime()
        # Its bytes, since onnxruntime opens no file whose name is not UTF-8.
        session: Session = ort.InferenceSession(
            path.read_bytes(), session_options(ort, usable_cores()), providers=["CPUExecutionProvider"]
        )
    return session


def shaded_picture(generator: np.random.Generator, batch: int, height: int, width: int) -> UInt8Image:
    """Smooth shading with edges and noise, like a photo: pure noise would not exercise what networks do."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phases = generator.uniform(0, 6, (batch, 3, 4))
    waves = [np.sin(3 * p[0] * x + p[1]) + np.sin(5 * p[2] * y + p[3]) for p in phases.reshape(-1, 4)]
    shading = np.stack(waves).reshape(batch, 3, height, width).transpose(0, 2, 3, 1)
    edges = 0.8 * (np.floor(4 * x + 2 * y) % 2)[None, ..., None]
    noise = generator.normal(0, 0.1, shading.shape)
    picture: UInt8Image = np.clip((shading + edges + noise + 2) * 60, 0, 255).astype(np.uint8)
    return picture
