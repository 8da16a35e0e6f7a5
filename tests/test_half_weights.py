"""Model files with weights in half precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from fastnst.errors import ModelError
from fastnst.half_weights import HALF, halve_weights
from fastnst.runtime.models.catalog import available_styles
from fastnst.runtime.models.onnx_metadata import read_description
from fastnst.runtime.models.style_model import StyleModel


def write_in_full(source: Path, target: Path) -> None:
    """A model file with its weights in float32, as versions before 0.3 wrote them."""
    model = onnx.load(source)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.name.endswith(HALF):
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name.removesuffix(HALF)))
    kept = [node for node in graph.node if not (node.op_type == "Cast" and node.input[0].endswith(HALF))]
    del graph.node[:]
    graph.node.extend(kept)
    onnx.save(model, target)


def test_half_the_file_paints_the_same(photo: Image.Image, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.onnx", tmp_path / "half.onnx"
    write_in_full(available_styles()["the_scream"], whole)
    half.write_bytes(halve_weights(whole.read_bytes()))
    assert half.stat().st_size < 0.56 * whole.stat().st_size
    assert read_description(half) == read_description(whole)
    picture = np.asarray(photo.resize((128, 150)))[None]
    found, expected = (StyleModel(path, "cpu")(picture).astype(int) for path in (half, whole))
    assert np.abs(found - expected).max() <= 1
    assert np.abs(expected - picture).mean() > 5


def test_styles_that_ship_are_halved() -> None:
    """And halving twice changes nothing."""
    for path in available_styles().values():
        content = path.read_bytes()
        assert halve_weights(content) == content, path.name


def test_weights_beyond_half_precision_stay(tmp_path: Path) -> None:
    whole, large = tmp_path / "whole.onnx", tmp_path / "large.onnx"
    write_in_full(available_styles()["the_scream-s"], whole)
    model = onnx.load(whole)
    tensor = max(model.graph.initializer, key=lambda item: item.ByteSize())
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = 70_000
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, large)
    kept = {item.name: item for item in onnx.load_from_string(halve_weights(large.read_bytes())).graph.initializer}
    assert numpy_helper.to_array(kept[tensor.name]).flat[0] == 70_000
    assert sum(name.endswith(HALF) for name in kept) > 10


@pytest.mark.parametrize("content", [b"no model at all", b"\x3a\xff\xff\xff\xff\x0f", b"\x00"])
def test_what_is_no_model_is_told(content: bytes) -> None:
    with pytest.raises(ModelError, match="not an ONNX model"):
        halve_weights(content)
