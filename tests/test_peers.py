"""The benchmark against other projects' models: our reading of their files, and figures that add up."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from PIL import Image

from fastnst.networks import build_network

Importer = Callable[[str], ModuleType]

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Importer:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def write_variables(folder: Path, width: int = 4) -> Path:
    """Random variables of lengstrom's network at a small width, as deeplearn.js dumps them."""
    wide = 4 * width
    kernels = [(9, 9, 3, width), (3, 3, width, 2 * width), (3, 3, 2 * width, wide), *[(3, 3, wide, wide)] * 10]
    kernels += [(3, 3, 2 * width, wide), (3, 3, width, 2 * width), (9, 9, width, 3)]
    generator = np.random.default_rng(0)
    manifest = {}
    folder.mkdir(parents=True)
    for index, shape in enumerate(kernels):
        channels = shape[2] if index in (13, 14) else shape[3]  # a transposed kernel is [h, w, out, in]
        for part, extent in enumerate((shape, (channels,), (channels,))):
            name = f"Variable_{3 * index + part}" if index + part else "Variable"
            generator.normal(size=extent).astype("<f4").tofile(folder / name)
            manifest[name] = {"filename": name, "shape": extent}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / "manifest.json"


def write_fixed_model(path: Path) -> None:
    """An .onnx of one size, floats in [0, 255]: 255 − image."""
    shape = (1, 3, 32, 48)
    graph = helper.make_graph(
        [helper.make_node("Sub", ["white", "in"], ["out"])],
        "fixed",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        [helper.make_tensor("white", TensorProto.FLOAT, [1], [255.0])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def test_the_published_network_takes_our_weights(module: Importer) -> None:
    torch.manual_seed(0)
    trained = build_network("johnson", width=4, blocks=2).eval()
    plain = module("peer_networks").PlainJohnson(4, 2, head="tanh").take(trained)
    image = torch.rand(1, 3, 24, 32)
    # The published network knows no light rule, which ours keeps around its layers.
    assert torch.allclose(plain(image), trained.paint(image), atol=1e-4)


def test_the_published_network_has_the_published_parameters(module: Importer) -> None:
    network = module("peer_networks").PlainJohnson()
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_679_235  # pytorch/examples: 1.68 M


def test_tensorflow_variables(module: Importer, tmp_path: Path) -> None:
    files, networks = module("peer_files"), module("peer_networks")
    manifest = write_variables(tmp_path / "wave")
    frame = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    found = files._open_variables(manifest)(frame)
    assert found.shape == frame.shape
    assert found.std() > 10
    for name in ("Variable_46", "Variable_47"):  # shift and scale of the last normalization
        np.zeros(3, "<f4").tofile(manifest.parent / name)
    assert (files._open_variables(manifest)(frame) == 127).all()  # tanh(0) · 150 + 127.5, cut
    # Upsampling is the gradient of the strided convolution that goes the other way.
    x, kernel = torch.rand(1, 2, 4, 6), torch.rand(3, 3, 2, 2)
    big = torch.rand(1, 2, 8, 12, requires_grad=True)
    down = F.conv2d(F.pad(big, (0, 1, 0, 1)), kernel.permute(3, 2, 0, 1), stride=2)
    (expected,) = torch.autograd.grad(down, big, x)
    up = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), stride=2)[..., :-1, :-1]
    assert torch.allclose(up, expected, atol=1e-5)
    assert networks.tensorflow_fast_style


def test_cut_variables_are_left_out_with_the_reason(module: Importer, tmp_path: Path) -> None:
    files = module("peer_files")
    manifest = write_variables(tmp_path / "one" / "wave")
    (manifest.parent / "Variable_3").write_bytes(b"1234")
    (tmp_path / "one" / "lfs.h5").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    torch.save({"some.weight": torch.zeros(1)}, tmp_path / "one" / "other.pth")
    peers, left_out = files.find_peers(tmp_path, 1)
    assert peers == []
    assert "1 values for the shape" in left_out["one/wave/manifest.json"]
    assert "LFS pointer" in left_out["one/lfs.h5"]
    assert "not known" in left_out["one/other.pth"]


def test_a_fixed_size_is_made_free(module: Importer, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write_fixed_model(tmp_path / "one" / "negative.onnx")
    (peer,), left_out = module("peer_files").find_peers(tmp_path, 1)
    frame = np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    assert np.array_equal(peer.run(frame), 255 - frame)
    assert (peer.name, peer.project, peer.size, left_out) == ("negative", "one", None, {})


@pytest.mark.slow
def test_figures_add_up(
    module: Importer,
    tmp_path: Path,
    negative_model: Path,
    photo: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    peers: ModuleType = module("peers")
    monkeypatch.setattr(peers, "PlainJohnson", functools.partial(peers.PlainJohnson, 4, 1))  # its export takes long
    (tmp_path / "them").mkdir()
    write_fixed_model(tmp_path / "them" / "wave.onnx")
    photo.resize((100, 117)).save(tmp_path / "photo.png")
    target = tmp_path / "peers.json"
    arguments = ["peers", "--styles", str(negative_model), "--size", "32x24", "--rounds", "1", "--provider", "cpu"]
    arguments += ["--threads", "1", "--peers", str(tmp_path), "--photos", str(tmp_path), "--count", "1"]
    arguments += ["--photo-size", "96", "--perceptual", "slim", "--json", str(target)]
    page = tmp_path / "peers.md"
    arguments += ["--second", "vgg16:random", "--markdown", str(page)]
    arguments += ["--paintings", f"negative={tmp_path / 'photo.png'}", f"wave={tmp_path / 'photo.png'}"]
    threads = torch.get_num_threads()
    monkeypatch.setattr("sys.argv", arguments)
    try:
        assert peers.main() == 0
    finally:
        torch.set_num_threads(threads)
    found = json.loads(target.read_text())
    rows = {(row["label"][:3], row["style"]): row for row in found["results"]}
    eager, ours, stock = rows["(a)", "johnson"], rows["(c)", "negative"], rows["(d)", "negative"]
    assert eager["ratio"] == 1
    assert ours["ratio"] == pytest.approx(eager["median_ms"] / ours["median_ms"])
    assert eager["objective"] is None
    assert ours["objective"] == stock["objective"] == rows["the", "wave"]["objective"]
    assert ours["objective"]["total"] > 0
    assert {"ssim", "cfsd", "swd", "second_style", "blobs"} <= ours["objective"].keys()
    header, _, *lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    assert "| SSIM | CFSD ↓ | content ↓ | Gram ↓ | SWD ↓ |" in header
    assert len(lines) == len(found["results"])
    assert f"{ours['objective']['total']:.3g}" in lines[2]
    assert all(line.count("|") == header.count("|") for line in lines)
    assert "Measured on 20" in page.read_text()
    assert "- `Stylizer` above its bare session, negative" in page.read_text()
    assert found["machine"] in page.read_text()
    assert "negative" in found["stylizer_overhead"]
    assert "overhead of Stylizer" in capsys.readouterr().out
    assert peers.main() == 2  # the file exists
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--size", "30x30"], "multiples of 4"), (["--rounds", "0"], "rounds"), (["--paintings", "x"], "NAME=FILE")],
)
def test_bad_input(
    module: Importer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["peers", *arguments])
    assert module("peers").main() == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
