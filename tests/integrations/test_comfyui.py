"""The ComfyUI nodes, against a stub of its API."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import fastnst
from tests.integrations import comfy_api_stub

PACK = Path(__file__).parents[2] / "integrations" / "comfyui"


@pytest.fixture(scope="module")
def pack() -> ModuleType:
    comfy_api_stub.install()
    found = importlib.util.spec_from_file_location("fastnst_comfyui", PACK / "__init__.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["fastnst_comfyui"] = module
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    with Image.open(fastnst.sample_photo()) as photo:
        pixels = np.asarray(photo.convert("RGB").resize((82, 96)), dtype=np.float32) / 255
    return torch.from_numpy(np.stack([pixels, pixels[:, ::-1]]))


def test_all_nodes_declare_themselves(pack: ModuleType) -> None:
    extension = asyncio.run(pack.comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())
    schemas = [node.define_schema() for node in nodes]
    assert [one.node_id for one in schemas] == ["FastNSTRestyle", "FastNSTMix", "FastNSTMatte", "FastNSTTrain"]
    for node, schema in zip(nodes, schemas, strict=True):
        names = [one.name for one in schema.inputs]
        arguments = node.execute.__func__.__code__.co_varnames[1 : node.execute.__func__.__code__.co_argcount]
        assert names == list(arguments)  # ComfyUI passes inputs by name
        assert schema.description


def test_pictures_are_restyled_and_mixed(pack: ModuleType, image: torch.Tensor) -> None:
    (restyled,) = pack.RestyleNode.execute(image, "red_chalk", 1.0, False, 1.0).args
    assert restyled.shape == image.shape
    assert restyled.dtype == torch.float32
    assert 0 <= restyled.min() < restyled.max() <= 1
    expected = fastnst.Stylizer("red_chalk")((image[0].numpy() * 255).round().astype(np.uint8))
    assert np.array_equal((restyled[0].numpy() * 255).round(), np.asarray(expected))
    (mixed,) = pack.MixNode.execute(image, "red_chalk", "the_kiss", 0.5, 1.0, False, 1.0).args
    assert not torch.equal(mixed, restyled)
    (first,) = pack.MixNode.execute(image, "red_chalk", "the_kiss", 0.0, 1.0, False, 1.0).args
    assert torch.equal(first, restyled)
    (photo,) = pack.RestyleNode.execute(image, "red_chalk", 0.0, False, 1.0).args
    assert torch.allclose(photo, image, atol=1 / 255)


def test_people_are_found(pack: ModuleType, image: torch.Tensor) -> None:
    (people,) = pack.MatteNode.execute(image).args
    assert people.shape == image.shape[:3]
    assert people[0, 60:, 41].mean() > 0.9


@pytest.mark.slow
def test_a_painting_is_trained_once(
    pack: ModuleType, image: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(4):
        with Image.open(fastnst.sample_photo()) as photo:
            photo.crop((number * 30, 0, number * 30 + 200, 300)).save(tmp_path / "photos" / f"{number}.jpg")
    monkeypatch.setenv("FASTNST_COMFYUI_TRAIN", "--data.image_size 64 --data.workers 0 --model.style_size 96")
    monkeypatch.setenv("PYTHONPATH", str(PACK.parents[1]))
    inputs = (image, str(tmp_path / "photos"), "mine", "quickstart", 2)
    with torch.inference_mode():  # as ComfyUI runs nodes
        (style,) = pack.TrainNode.execute(*inputs).args
        assert Path(style).is_file()
        made = Path(style).stat().st_mtime_ns
        assert pack.TrainNode.execute(*inputs).args == (style,)
        assert Path(style).stat().st_mtime_ns == made
        (restyled,) = pack.RestyleNode.execute(image, "red_chalk", 1.0, False, 1.0, style).args
    assert restyled.shape == image.shape
    with pytest.raises(RuntimeError, match="fastnst: "):
        pack.TrainNode.execute(image, str(tmp_path / "none"), "mine", "quickstart", 2)


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", "", "a\0", "a\n"])
def test_a_strangers_workflow_names_no_place(
    pack: ModuleType, image: torch.Tensor, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNST_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="cannot be a file's"):
        pack.TrainNode.execute(image, "photos", name, "quickstart", 2)
    assert not list(tmp_path.iterdir())


def test_a_strangers_workflow_gives_no_options(
    pack: ModuleType, image: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNST_DATA", str(tmp_path))
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(sys.modules["fastnst_comfyui.nodes"], "_fastnst", lambda *arguments: calls.append(arguments))
    pack.TrainNode.execute(image, "--trust-config", "--help", "quickstart", 2)
    assert {"--photos=--trust-config", "--name=--help"} <= set(calls[0])


def test_the_workflow_fits_the_nodes(pack: ModuleType) -> None:
    workflow = json.loads((PACK / "example_workflows" / "restyle.json").read_text())
    schemas = {node.define_schema().node_id: node.define_schema() for node in (pack.RestyleNode, pack.MixNode)}
    ours = [node for node in workflow["nodes"] if node["type"].startswith("FastNST")]
    assert ours
    for node in ours:
        inputs = schemas[node["type"]].inputs
        assert [one["name"] for one in node["inputs"]] == [one.name for one in inputs if one.kind == "IMAGE"]
        widgets = [one for one in inputs if one.kind != "IMAGE"]
        for value, widget in zip(node["widgets_values"], widgets, strict=True):
            kinds = {"FLOAT": float, "BOOLEAN": bool, "STRING": str, "COMBO": str}
            assert isinstance(value, kinds[widget.kind])
            if widget.kind == "COMBO":
                assert value in widget.options["options"]
    requirements = (PACK / "requirements.txt").read_text()
    assert "torch" not in requirements
    assert "onnxruntime" not in requirements
    assert (PACK / "example_workflows" / "restyle.jpg").is_file()
