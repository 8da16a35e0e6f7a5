"""Trained style networks of other projects, opened from the files that those projects publish.

Formats: float32 variables with a manifest.json (TensorFlow checkpoints of lengstrom/fast-style-transfer as deeplearn.js
dumps them), .pth with weights of known layer names, .onnx with one picture in and one out, and .tflite where the
package ai-edge-litert is installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from peer_networks import State, mobile_bottlenecks, residual_bottlenecks, tensorflow_fast_style

_POINTER = b"version https://git-lfs"
# A layer's name that only this network has, and the network.
_KNOWN_STATES: dict[str, Callable[[State, Tensor], Tensor]] = {
    "upconv1.conv1.conv1.weight": mobile_bottlenecks,
    "ResidualBlock.0.conv3.conv_layer.weight": residual_bottlenecks,
}
_SUFFIXES = (".pth", ".onnx", ".tflite", ".h5")


@dataclass
class Peer:
    """A peer's model, ready to run.

    Attributes:
        name: of the file or folder, which is the style's name as a rule.
        project: whose it is.
        runs_on: what computes.
        run: uint8 RGB `[H, W, 3]` to the same; H and W multiples of 4.
        size: `(height, width)` if the file allows no other, else None.
    """

    name: str
    project: str
    runs_on: str
    run: Callable[[np.ndarray], np.ndarray]
    size: tuple[int, int] | None = None


class NotLoadableError(Exception):
    """Reason for which a file is not measured; the text is for the report."""


def find_peers(folder: Path, threads: int) -> tuple[list[Peer], dict[str, str]]:
    """All peers below `folder` (one project in each of its folders), and the files that cannot be loaded, with why."""
    peers: list[Peer] = []
    left_out: dict[str, str] = {}
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _SUFFIXES or path.name == "manifest.json"]
    for path in paths:
        project = path.relative_to(folder).parts[0]
        try:
            peers.append(_open(path, project, threads))
        except NotLoadableError as error:
            left_out[str(path.relative_to(folder))] = str(error)
    return peers, left_out


def _open(path: Path, project: str, threads: int) -> Peer:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise NotLoadableError("a Git LFS pointer, not the file")
    if path.name == "manifest.json":
        return Peer(path.parent.name, project, "torch eager f32", _open_variables(path))
    if path.suffix == ".pth":
        return Peer(path.stem, project, "torch eager f32", _open_state(path))
    if path.suffix == ".onnx":
        return Peer(path.stem, project, "onnxruntime cpu f32", _open_onnx(path, threads))
    if path.suffix == ".tflite":
        run, size = _open_tflite(path, threads)
        return Peer(path.stem, project, "litert cpu f32", run, size)
    raise NotLoadableError("Keras weights need TensorFlow")


def _open_variables(manifest: Path) -> Callable[[np.ndarray], np.ndarray]:
    variables: dict[str, Tensor] = {}
    for name, entry in json.loads(manifest.read_text()).items():
        values = np.fromfile(manifest.parent / entry["filename"], dtype="<f4")
        if values.size != np.prod(entry["shape"]):
            raise NotLoadableError(f"{name} has {values.size} values for the shape {entry['shape']}")
        variables[name] = torch.from_numpy(values.reshape(entry["shape"]))
    return eager(lambda x: tensorflow_fast_style(variables, x))


def _open_state(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    for name, network in _KNOWN_STATES.items():
        if name in state:
            return eager(lambda x, network=network: network(state, x))
    raise NotLoadableError("a network whose layers are not known here")


def eager(network: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
    """uint8 `[H, W, 3]` to the same through a network of floats `[1, 3, H, W]` in [0, 255], as projects do it."""

    def run(frame: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            x = torch.from_numpy(frame).permute(2, 0, 1)[None].contiguous().float()
            return network(x)[0].clamp(0, 255).permute(1, 2, 0).to(torch.uint8).numpy()

    return run


def _open_onnx(path: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """A model of floats `[1, 3, H, W]` in [0, 255]; a size that was fixed at its export is made free."""
    import onnx

    model = onnx.load(path)
    inputs, outputs = model.graph.input, model.graph.output
    shape = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim]
    if len(inputs) != 1 or len(outputs) != 1 or len(shape) != 4 or shape[1] != 3:
        raise NotLoadableError(f"not one picture in and one out ({shape})")
    for value in (inputs[0], outputs[0]):
        for index, name in ((2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[index].dim_param = name
    del model.graph.value_info[:]
    session = stock_session(model.SerializeToString(), threads)
    name = inputs[0].name

    def run(frame: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(frame.transpose(2, 0, 1)[None], dtype=np.float32)
        found = session.run(None, {name: planes})[0][0]
        pixels: np.ndarray = found.clip(0, 255).transpose(1, 2, 0).astype(np.uint8)
        return pixels

    return run


def stock_session(model: str | bytes, threads: int) -> Any:
    """onnxruntime's CPU provider as it comes, but for the threads, which are everyone's here."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _open_tflite(path: Path, threads: int) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, int]]:
    """A model of floats `[1, H, W, 3]` in [0, 255] of one size."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise NotLoadableError("needs pip install ai-edge-litert") from None
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    model_input, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, height, width, _ = model_input["shape"].tolist()

    def run(frame: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(model_input["index"], frame[None].astype(np.float32))
        interpreter.invoke()
        pixels: np.ndarray = interpreter.get_tensor(output["index"])[0].clip(0, 255).astype(np.uint8)
        return pixels

    return run, (height, width)
