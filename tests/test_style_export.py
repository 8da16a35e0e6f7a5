"""Exported files: readable for old runtimes, described, the same when they are exported again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fastnst import cli
from fastnst.checkpoints import load_network, save_network
from fastnst.errors import ModelError
from fastnst.networks import build_network
from fastnst.runtime import StyleMetadata, StyleModel
from fastnst.runtime.models.onnx_metadata import read_description
from fastnst.start.shipped import find_init
from fastnst.style_export import shaded_picture
from tests.test_card import REPORT

METADATA = StyleMetadata(
    name="tiny", title="A Painting", artist="Nobody", year="1900", licence="public domain", network="swift",
    network_options={"width": 32, "blocks": 1}, steps=7, objective={"total": 1.5}, loss_weights={"style_size": 64},
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("networks") / "tiny.safetensors"
    network = build_network("swift", width=32, blocks=1)
    with torch.no_grad():  # as if trained: the exporter merges norms that are all 1 and 0
        for parameter in network.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    save_network(network, METADATA, path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    path = checkpoint.with_suffix(".onnx")
    assert cli.main(["export", str(checkpoint), "-o", str(path), "--weights-licence", "MIT"]) == 0
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.slow
def test_old_runtimes_can_read_it(exported: Path) -> None:
    model = onnx.load(exported)
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    kinds = operators(exported)
    assert kinds.count("InstanceNormalization") == 6  # one operator each
    assert "Round" not in kinds  # WebGPU has none
    by_output = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type == "Transpose" and node.input[0] in by_output:  # floats are turned, not bytes
            assert by_output[node.input[0]].op_type in ("Cast", "Clip", "Reshape")
    assert by_output["stylized"].op_type == "Cast"


@pytest.mark.slow
def test_it_says_what_it_is_to_people_and_programs(exported: Path) -> None:
    model = onnx.load(exported)
    assert "Restyles photos in the manner of A Painting, Nobody, 1900" in model.doc_string
    assert "weights: MIT; painting: public domain" in model.doc_string
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["Image.BitmapPixelFormat"] == "Rgb8"
    assert properties["fastnst.weights_licence"] == "MIT"
    for value in (model.graph.input[0], model.graph.output[0]):
        assert value.type.denotation == "IMAGE"
        dimensions = value.type.tensor_type.shape.dim
        assert [dimension.dim_param or dimension.dim_value for dimension in dimensions] == [
            "batch", "height", "width", 3,
        ]  # fmt: skip
        assert dimensions[3].denotation == "DATA_CHANNEL"
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert str(Path.home()).encode() not in exported.read_bytes()


@pytest.mark.slow
def test_exported_again_it_is_the_same(exported: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    assert cli.main(["export", str(exported), "-o", str(again)]) == 0
    assert read_description(again) == read_description(exported)
    image = shaded_picture(np.random.default_rng(0), 1, 50, 61)
    difference = StyleModel(again, "cpu")(image).astype(int) - StyleModel(exported, "cpu")(image)
    # Filters come back from their mixtures to the last bit or two: a value in the middle may round the other way.
    assert np.abs(difference).max() <= 1
    assert (difference == 0).mean() > 0.999


@pytest.mark.slow
def test_a_copy_of_one_size_has_no_shapes_to_compute(
    exported: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = tmp_path / "fixed.onnx"
    assert cli.main(["export", str(checkpoint), "-o", str(fixed), "--size", "61x50"]) == 0
    assert not {"Shape", "Mod", "Squeeze", "Concat"} & set(operators(fixed))
    image = shaded_picture(np.random.default_rng(0), 1, 50, 61)
    expected = StyleModel(exported, "cpu")(image).astype(int)
    cv2 = pytest.importorskip("cv2")
    network = cv2.dnn.readNetFromONNX(str(fixed))
    network.setInput(image, "image")
    found = network.forward("stylized").astype(int)  # floats in OpenCV 4, bytes in 5
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 1
    capsys.readouterr()
    with pytest.raises(ModelError, match="it is a fixed-size style model"):
        StyleModel(fixed, "cpu")


@pytest.mark.slow
def test_the_comparison_goes_into_the_file(checkpoint: Path, tmp_path: Path) -> None:
    report, model = tmp_path / "report.json", tmp_path / "tiny.onnx"
    report.write_text(json.dumps(REPORT | {"style": "tiny", "lbfgs_equivalent_from_noise": 84.5}))
    assert cli.main(["export", str(checkpoint), "-o", str(model), "--report", str(report)]) == 0
    assert read_description(model).lbfgs_equivalent == 84.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "8x8"], "16 to 99999 pixels"),
        (["--size", "²x²"], "unknown size '²x²'"),
        (["--precision", "int8"], "unknown precision"),
        (["--report", "{tmp}/report.json"], "has no N_eq from noise"),
        (["--report", "{tmp}/none.json"], "cannot be opened"),
    ],
)
def test_bad_input_is_one_sentence(
    checkpoint: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT | {"style": "tiny"}))
    out = tmp_path / "out.onnx"
    arguments = ["export", str(checkpoint), "-o", str(out), *(option.format(tmp=tmp_path) for option in options)]
    assert cli.main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "resnet"}, "names a network that cannot be built: unknown network 'resnet'"),
        ({"network_options": {"width": 32, "blocks": 10**9}}, "'blocks' must be at most 256, not 1000000000"),
        ({"network_options": {"width": 64, "blocks": 1}}, "does not hold the weights"),
        ({"network_options": {"width": "32"}}, "must be a whole number"),
    ],
)
def test_a_checkpoint_that_lies_about_its_network(
    changes: dict[str, object], message: str, checkpoint: Path, tmp_path: Path
) -> None:
    network, metadata = load_network(checkpoint)
    path = tmp_path / "lie.safetensors"
    save_network(network, replace(metadata, **changes), path)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        load_network(path)


def test_the_public_name_stays_a_function() -> None:
    """A module of that name would take its place in the package as soon as anything imports it."""
    import importlib.util

    import fastnst

    taken = [name for name in fastnst.__all__ if importlib.util.find_spec(f"fastnst.{name}")]
    assert taken == []
    assert callable(fastnst.export)


def test_names_of_bytes_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = str(find_init("start"))
    assert cli.main(["export", start, "-o", str(tmp_path / "a.onnx"), "--name", "caf\udce9"]) == 2
    assert capsys.readouterr().err == "fastnst: the name caf\\udce9 is no text: write it in UTF-8.\n"
    assert cli.main(["export", start, "-o", str(tmp_path / "caf\udce9.onnx")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["caf\udce9.onnx"]
