"""Tiny matting models whose alpha is known: the red channel. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastnst.runtime.models.metadata import MattingMetadata

ANY = ("batch", "height", "width", 3)


def write_ours(
    path: Path,
    *,
    reference_size: int = 64,
    properties: dict[str, str] | None = None,
    output: str = "alpha",
    channels: int = 1,
    white: int = 255,
) -> Path:
    """Keeps the contract of our matting models, or breaks it as asked: alpha = red / `white`."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["floats", "channel"], ["red"], axis=3),
        helper.make_node("Div", ["red", "white"], [output]),
    ]
    constants = [
        numpy_helper.from_array(np.arange(channels), "channel"),
        numpy_helper.from_array(np.array([white], np.float32), "white"),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ANY)]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, (*ANY[:3], channels))]
    graph = helper.make_graph(nodes, "ours", inputs, outputs, constants)
    if properties is None:
        properties = MattingMetadata("red", reference_size=reference_size).to_properties()
    return _save(graph, path, properties)


def write_modnet(path: Path, *, size: tuple[str | int, str | int] = ("height", "width")) -> Path:
    """Looks like MODNet's file: float planes in [−1, 1] to one plane; alpha = red."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gather", ["input", "channel"], ["red"], axis=1),
        helper.make_node("Add", ["red", "one"], ["twice"]),
        helper.make_node("Mul", ["twice", "half"], ["output"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([0]), "channel"),
        numpy_helper.from_array(np.array([1], np.float32), "one"),
        numpy_helper.from_array(np.array([0.5], np.float32), "half"),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ("batch", 3, *size))]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ("batch", 1, *size))]
    return _save(helper.make_graph(nodes, "modnet", inputs, outputs, constants), path, {})


def _save(graph: object, path: Path, properties: dict[str, str]) -> Path:
    import onnx
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, properties)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def disc(height: int, width: int, *, soft: float = 1.5) -> np.ndarray:
    """A soft round person in the middle, float `[H, W]`."""
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return np.clip((0.3 * min(height, width) - distance) / soft + 0.5, 0, 1).astype(np.float32)


def scene(alpha: np.ndarray) -> np.ndarray:
    """A red person before blue, uint8 `[H, W, 3]`: the matte is the red channel (in sRGB)."""
    levels = np.rint(alpha * 255).astype(np.uint8)
    return np.dstack((levels, np.zeros_like(levels), 255 - levels))
