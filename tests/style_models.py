"""Style model files whose results are known, for tests of everything that takes several styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from fastnst.runtime.models.metadata import StyleMetadata


def write_style(path: Path, *, negative: bool = False, **description: str) -> Path:
    """A style that leaves the picture, or makes its negative; `description` goes into its metadata."""
    shape = ("batch", "height", "width", 3)
    leave = helper.make_node("Identity", ["image"], ["stylized"])
    graph = helper.make_graph(
        [helper.make_node("Sub", ["white", "image"], ["stylized"]) if negative else leave],
        path.stem,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("stylized", TensorProto.UINT8, shape)],
        [helper.make_tensor("white", TensorProto.UINT8, [1], np.array([255], np.uint8))] if negative else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, StyleMetadata(name=path.stem, **description).to_properties())  # type: ignore[arg-type]
    onnx.save(model, path)
    return path


def write_gallery(folder: Path) -> Path:
    """A folder of four styles of three movements, for FASTNST_STYLES."""
    folder.mkdir()
    monet = {"artist": "Claude Monet", "movement": "Impressionism"}
    write_style(folder / "sunrise.onnx", title="Impression, Sunrise", year="1872", **monet)
    write_style(folder / "lilies.onnx", negative=True, title="Water Lilies", year="1919", **monet)
    cezanne = {"artist": "Paul Cézanne", "movement": "Post-Impressionism"}
    write_style(folder / "apples.onnx", negative=True, title="Still Life", **cezanne)
    write_style(folder / "wave.onnx", title="The Great Wave", artist="Katsushika Hokusai", movement="Ukiyo-e")
    return folder
