"""Fixtures that several tests share. Nothing here imports torch: the runtime's tests must do without."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.runtime.models.metadata import StyleMetadata

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # of tests that import onnxruntime themselves


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache and mirror out of the tests."""
    monkeypatch.setenv("FASTNST_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("FASTNST_MIRROR", raising=False)
    monkeypatch.setenv("FASTNST_CONFIG", "")
    monkeypatch.setenv("FASTNST_DATA", str(tmp_path_factory.mktemp("data")))
    for name in ("FASTNST_STYLES", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """A real photo: the public-domain portrait of Grace Hopper among matplotlib's sample data, 512×600."""
    import matplotlib

    with Image.open(os.path.join(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")) as image:
        return image.convert("RGB")


@pytest.fixture
def photo_file(photo: Image.Image, tmp_path: Path) -> Path:
    """The photo, reduced, in a file of odd size."""
    path = tmp_path / "photo.jpg"
    photo.resize((131, 153)).save(path)
    return path


@pytest.fixture(scope="session")
def negative_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style model file that keeps the contract and whose result is known: 255 − image."""
    return write_model(tmp_path_factory.mktemp("models") / "negative.onnx")


def write_model(
    path: Path,
    *,
    input_name: str = "image",
    kind: str = "UINT8",
    shape: tuple[str | int, ...] = ("batch", "height", "width", 3),
    properties: dict[str, str] | None = None,
) -> Path:
    """Write a model that inverts a picture, keeping or breaking the contract as asked."""
    import onnx
    from onnx import TensorProto, helper

    element = getattr(TensorProto, kind)
    white = helper.make_tensor("white", element, [1], np.array([255], dtype=np.uint8))
    graph = helper.make_graph(
        [helper.make_node("Sub", ["white", input_name], ["stylized"])],
        "negative",
        [helper.make_tensor_value_info(input_name, element, shape)],
        [helper.make_tensor_value_info("stylized", element, shape)],
        [white],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if properties is None:
        properties = StyleMetadata(name="negative", title="A Negative", artist="Nobody").to_properties()
    helper.set_model_props(model, properties)
    onnx.save(model, path)
    return path


def gradient(height: int, width: int) -> np.ndarray:
    """A smooth coloured picture, uint8 `[height, width, 3]`."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256], -1).astype(np.uint8)
