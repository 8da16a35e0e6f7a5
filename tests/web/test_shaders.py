"""The WebGPU engine on a graphics card that the processor plays (SwiftShader), beside onnxruntime."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image

from fastnst.half_weights import halve_weights
from fastnst.runtime.models.catalog import available_styles
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_model import StyleModel
from tests.web.conftest import GPU_ARGUMENTS

pytestmark = pytest.mark.slow

# Runs style models in the page's engine on RGB pixels and gives back what came out, or why not.
_RUN = """async ([models, pixels, width, height]) => {
  const { GpuEngine } = await import(new URL('./gpu/engine.js', location.href).href);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const engine = await GpuEngine.open(true);
  await engine.prepare();
  const results = [];
  for (const model of models) {
    try {
      await engine.use(0, bytes(model));
      if (engine.aside) throw new Error(engine.aside);
      results.push(Array.from(await engine.run(0, bytes(pixels), width, height)));
    } catch (error) { results.push(String(error)); }
  }
  return results;
}"""


def _run(page: Any, models: Sequence[bytes], picture: np.ndarray) -> list[Any]:
    height, width = picture.shape[:2]
    text = [base64.b64encode(model).decode() for model in models]
    found = page.evaluate(_RUN, [text, base64.b64encode(picture.tobytes()).decode(), width, height])
    return [one if isinstance(one, str) else np.array(one).reshape(height, width, 3) for one in found]


def _style(nodes: Sequence[NodeProto], weights: dict[str, np.ndarray]) -> bytes:
    """A style model whose network is these nodes, from `x` (float NCHW, in [0, 1]) to `y`."""
    before = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "white"], ["x"]),
    ]
    after = [
        helper.make_node("Mul", ["y", "white"], ["levels"]),
        helper.make_node("Add", ["levels", "half"], ["raised"]),
        helper.make_node("Floor", ["raised"], ["whole"]),
        helper.make_node("Clip", ["whole", "black", "white"], ["clipped"]),
        helper.make_node("Transpose", ["clipped"], ["pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["pixels"], ["stylized"], to=TensorProto.UINT8),
    ]
    constants = {"white": np.float32(255), "half": np.float32(0.5), "black": np.float32(0), **weights}
    shape = ("batch", "height", "width", 3)
    graph = helper.make_graph(
        [*before, *nodes, *after],
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("stylized", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, StyleMetadata(name="one").to_properties())
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _weights(*shape: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    scale = 0.7 / np.sqrt(np.prod(shape[1:]))
    # What half precision holds exactly: cards that have it keep weights so.
    return generator.normal(0.1 * scale, scale, shape).astype(np.float16).astype(np.float32)


def _pads(mode: str, **more: Any) -> list[NodeProto]:
    return [
        helper.make_node("Pad", ["x", "pads"], ["p"], mode=mode),
        helper.make_node("Conv", ["p", "w"], ["y"], **more),
    ]


_node = helper.make_node
_PADS = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "w": _weights(3, 3, 3, 3)}
_TWICE = np.array([1, 1, 2, 2], np.float32)
_HALF = np.array([1, 1, 0.5, 0.5], np.float32)
_SPATIAL = np.array([2, 3])
OPERATORS: dict[str, tuple[list[NodeProto], dict[str, np.ndarray]]] = {
    "reflect": (_pads("reflect"), _PADS),
    "edge": (_pads("edge"), _PADS),
    "zeros": ([_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])], {"w": _weights(3, 3, 3, 3)}),
    "9x9": ([_node("Conv", ["x", "w", "b"], ["y"], pads=[4, 4, 4, 4])], {"w": _weights(3, 3, 9, 9), "b": _weights(3)}),
    "strided": (
        [
            _node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
            _node(
                "Resize",
                ["a", "", "s"],
                ["y"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
        ],
        {"w": _weights(3, 3, 3, 3), "s": _TWICE},
    ),
    "dilated": ([_node("Conv", ["x", "w"], ["y"], pads=[2, 2, 2, 2], dilations=[2, 2])], {"w": _weights(3, 3, 3, 3)}),
    "depthwise": ([_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], group=3)], {"w": _weights(3, 1, 3, 3)}),
    "wide": (
        [_node("Conv", ["x", "w"], ["a"]), _node("Relu", ["a"], ["r"]), _node("Conv", ["r", "v"], ["y"])],
        {"w": _weights(18, 3, 1, 1), "v": _weights(3, 18, 1, 1)},
    ),
    "norm": (
        [_node("InstanceNormalization", ["x", "g", "b"], ["n"], epsilon=1e-5), _node("Sigmoid", ["n"], ["y"])],
        {"g": np.array([1, 2, 0.5], np.float32), "b": np.array([0, 0.5, -1], np.float32)},
    ),
    "residual": (
        [_node("Conv", ["x", "w"], ["a"]), _node("Add", ["x", "a"], ["s"]), _node("Tanh", ["s"], ["y"])],
        {"w": _weights(3, 3, 1, 1)},
    ),
    "linear": (
        [_node("Resize", ["x", "", "h"], ["a"], mode="linear"), _node("Resize", ["a", "", "s"], ["y"], mode="linear")],
        {"h": _HALF, "s": _TWICE},
    ),
    "shuffles": (
        [
            _node("SpaceToDepth", ["x"], ["a"], blocksize=4),
            _node("DepthToSpace", ["a"], ["y"], blocksize=4, mode="CRD"),
        ],
        {},
    ),
    "pooled": (
        [
            _node("AveragePool", ["x"], ["a"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
            _node("MaxPool", ["a"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        ],
        {},
    ),
    "means": (
        [
            _node("ReduceMean", ["x", "spatial"], ["m"], keepdims=1),
            _node("Sub", ["x", "m"], ["d"]),
            _node("Mul", ["d", "d"], ["q"]),
            _node("ReduceMean", ["q", "spatial"], ["v"], keepdims=1),
            _node("Sqrt", ["v"], ["s"]),
            _node("Div", ["d", "s"], ["z"]),
            _node("Mul", ["z", "small"], ["t"]),
            _node("Add", ["t", "m"], ["y"]),
        ],
        {"spatial": _SPATIAL, "small": np.float32(0.1)},
    ),
    "luma": (
        [
            _node("Mul", ["x", "l"], ["a"]),
            _node("ReduceSum", ["a", "one"], ["s"], keepdims=1),
            _node("Min", ["s", "most"], ["m"]),
            _node("Max", ["x", "m"], ["y"]),
        ],
        {
            "l": np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1),
            "one": np.array([1]),
            "most": np.float32(0.7),
        },
    ),
    "channels": (
        [
            _node("Slice", ["x", "zero", "two", "one"], ["a"]),
            _node("Slice", ["x", "two", "three", "one"], ["b"]),
            _node("Concat", ["b", "a"], ["y"], axis=1),
        ],
        {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "three": np.array([3])},
    ),
    "curves": (
        [
            _node("LeakyRelu", ["x"], ["a"], alpha=0.2),
            _node("Pow", ["a", "e"], ["b"]),
            _node("Exp", ["b"], ["c"]),
            _node("Log", ["c"], ["d"]),
            _node("Abs", ["d"], ["f"]),
            _node("Neg", ["f"], ["g"]),
            _node("Add", ["g", "one"], ["y"]),
        ],
        {"e": np.float32(1.7), "one": np.float32(1)},
    ),
}


def test_each_operator_is_as_in_onnxruntime(
    open_page: Callable[..., Any], small_photo: Image.Image, tmp_path: Path
) -> None:
    picture = np.asarray(small_photo.resize((44, 28)))
    models = {name: _style(*operator) for name, operator in OPERATORS.items()}
    unknown = _style([_node("Softmax", ["x"], ["y"], axis=1)], {})
    page = open_page("styles.json", arguments=GPU_ARGUMENTS, photo=None)
    *found, refused = _run(page, [*models.values(), unknown], picture)
    assert "the graphics engine does not know the operator Softmax" in refused
    wrong = {}
    for (name, model), result in zip(models.items(), found, strict=True):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model)
        expected = StyleModel(path, "cpu")(picture[None])[0].astype(int)
        assert expected.std() > 3, name  # a test that could fail
        if isinstance(result, str) or np.abs(result - expected).max() > 1:
            wrong[name] = result if isinstance(result, str) else int(np.abs(result - expected).max())
    assert not wrong


@pytest.mark.parametrize("size", [(64, 48), (97, 51)])
def test_a_style_is_as_in_onnxruntime(
    open_page: Callable[..., Any], small_photo: Image.Image, size: tuple[int, int]
) -> None:
    path = available_styles()["the_scream"]
    picture = np.asarray(small_photo.resize(size))
    page = open_page("styles.json", arguments=GPU_ARGUMENTS, photo=None)
    (found,) = _run(page, [halve_weights(path.read_bytes())], picture)
    expected = StyleModel(path, "cpu")(picture[None])[0].astype(int)
    assert not isinstance(found, str), found
    assert (np.abs(found - expected).max(-1) <= 2).mean() >= 0.999
