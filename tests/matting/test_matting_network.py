from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst import cli
from fastnst.errors import ConfigError, ModelError
from fastnst.matting.export import export_matting_model, folded
from fastnst.matting.exported import load_exported
from fastnst.matting.losses import boundary, matting_terms, semantic_target
from fastnst.matting.network import PAPER, IBNorm, Mattes, MattingNetwork, MattingOptions
from fastnst.matting.weights import is_matting, load_matting, save_matting
from fastnst.metrics.matting import coverage, gradient_error, measure
from fastnst.runtime.models.metadata import MattingMetadata
from fastnst.runtime.portrait.matting_model import MattingModel
from tests.matting_models import disc, write_ours

TINY = MattingOptions(width=0.25, top=32, detail=8)


def stirred(options: MattingOptions, seed: int = 0) -> MattingNetwork:
    """A network whose normalizations are not the identity."""
    torch.manual_seed(seed)
    network = MattingNetwork(options)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


# Names and shapes in the authors' modnet_photographic_portrait_matting.ckpt, without the prefix `module.`.
OFFICIAL = {
    "backbone.model.features.0.0.weight": (32, 3, 3, 3),
    "backbone.model.features.0.1.running_var": (32,),
    "backbone.model.features.1.conv.0.weight": (32, 1, 3, 3),
    "backbone.model.features.1.conv.3.weight": (16, 32, 1, 1),
    "backbone.model.features.1.conv.4.bias": (16,),
    "backbone.model.features.2.conv.0.weight": (96, 16, 1, 1),
    "backbone.model.features.2.conv.3.weight": (96, 1, 3, 3),
    "backbone.model.features.2.conv.6.weight": (24, 96, 1, 1),
    "backbone.model.features.2.conv.7.num_batches_tracked": (),
    "backbone.model.features.13.conv.6.weight": (96, 576, 1, 1),
    "backbone.model.features.17.conv.6.weight": (320, 960, 1, 1),
    "backbone.model.features.18.0.weight": (1280, 320, 1, 1),
    "backbone.model.features.18.1.weight": (1280,),
    "lr_branch.backbone.model.features.18.0.weight": (1280, 320, 1, 1),
    "lr_branch.se_block.fc.0.weight": (320, 1280),
    "lr_branch.se_block.fc.2.weight": (1280, 320),
    "lr_branch.conv_lr16x.layers.0.weight": (96, 1280, 5, 5),
    "lr_branch.conv_lr16x.layers.0.bias": (96,),
    "lr_branch.conv_lr16x.layers.1.bnorm.weight": (48,),
    "lr_branch.conv_lr8x.layers.0.weight": (32, 96, 5, 5),
    "lr_branch.conv_lr.layers.0.weight": (1, 32, 3, 3),
    "hr_branch.tohr_enc2x.layers.0.weight": (32, 16, 1, 1),
    "hr_branch.conv_enc2x.layers.0.weight": (32, 35, 3, 3),
    "hr_branch.tohr_enc4x.layers.0.weight": (32, 24, 1, 1),
    "hr_branch.conv_enc4x.layers.0.weight": (64, 64, 3, 3),
    "hr_branch.conv_hr4x.0.layers.0.weight": (64, 99, 3, 3),
    "hr_branch.conv_hr4x.2.layers.1.bnorm.running_mean": (16,),
    "hr_branch.conv_hr2x.0.layers.0.weight": (64, 64, 3, 3),
    "hr_branch.conv_hr2x.3.layers.0.weight": (32, 32, 3, 3),
    "hr_branch.conv_hr.0.layers.0.weight": (32, 35, 3, 3),
    "hr_branch.conv_hr.1.layers.0.bias": (1,),
    "f_branch.conv_lr4x.layers.0.weight": (32, 32, 5, 5),
    "f_branch.conv_f2x.layers.0.weight": (32, 64, 3, 3),
    "f_branch.conv_f.0.layers.0.weight": (16, 35, 3, 3),
    "f_branch.conv_f.0.layers.1.bnorm.bias": (8,),
    "f_branch.conv_f.1.layers.0.weight": (1, 16, 1, 1),
}


@pytest.fixture(scope="module")
def paper() -> MattingNetwork:
    return stirred(PAPER)


def test_the_full_network_has_the_authors_names_and_size(paper: MattingNetwork) -> None:
    state = paper.state_dict()
    assert {name: tuple(state[name].shape) for name in OFFICIAL} == OFFICIAL
    # 17 convolutions with bias and 16 norms in the branches, 2 matrices; 52 convolutions with norms in the backbone,
    # which is there twice.
    assert len(state) == 18 * 2 + 15 * 5 + 2 + 2 * 52 * 6 + 14
    assert sum(parameter.numel() for parameter in paper.parameters()) == 6_487_075


def test_the_authors_checkpoints_load(paper: MattingNetwork, tmp_path: Path) -> None:
    parallel = {f"module.{name}": tensor for name, tensor in paper.state_dict().items()}
    once = {name: tensor for name, tensor in parallel.items() if not name.startswith("module.backbone.")}
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    for state in (parallel, once, {"state_dict": parallel}):
        torch.save(state, tmp_path / "modnet.ckpt")
        network, metadata = load_matting(tmp_path / "modnet.ckpt")
        assert (metadata.name, metadata.reference_size) == ("modnet", 512)
        with torch.no_grad():
            assert torch.equal(network(image).alpha, paper(image).alpha)


def test_ibnorm_is_half_batch_and_half_instance() -> None:
    norm = IBNorm(6)
    x = torch.randn(3, 6, 5, 7) * 2 + 1
    found = norm(x)
    flat = x[:, :3].transpose(0, 1).flatten(1)
    batch = (x[:, :3] - flat.mean(1).view(1, 3, 1, 1)) / (flat.var(1, unbiased=False).view(1, 3, 1, 1) + 1e-5).sqrt()
    assert torch.allclose(found[:, :3], batch, atol=1e-5)
    assert torch.allclose(found[:, 3:], F.instance_norm(x[:, 3:]), atol=1e-5)
    norm.eval()
    assert torch.allclose(norm(x)[:, 3:], found[:, 3:], atol=1e-5)


def test_the_branches_have_their_sizes() -> None:
    mattes = MattingNetwork(TINY)(torch.rand(2, 3, 64, 96), all_branches=True)
    assert mattes.semantic is not None
    assert mattes.detail is not None
    assert mattes.semantic.shape == (2, 1, 4, 6)
    assert mattes.detail.shape == mattes.alpha.shape == (2, 1, 64, 96)


def perfect(alpha: Tensor) -> Mattes:
    return Mattes(semantic_target(alpha), alpha, alpha)


def test_the_truth_costs_nothing_and_errors_cost_what_the_paper_says() -> None:
    alpha = torch.from_numpy(disc(64, 64))[None, None]
    image = torch.full((1, 3, 64, 64), 0.5)
    assert matting_terms(perfect(alpha), alpha, image).total == 0
    # A constant error far from any outline costs itself, and half of it again in the composite of 0.5 grey.
    empty = torch.zeros(1, 1, 64, 64)
    found = perfect(empty)._replace(alpha=empty + 0.2)
    terms = matting_terms(found, empty, image)
    assert terms.fusion.item() == pytest.approx(0.2 * 1.5)
    assert terms.detail.item() == 0
    found = perfect(empty)._replace(semantic=semantic_target(empty) + 0.1, detail=empty + 1)
    assert matting_terms(found, empty, image).semantic.item() == pytest.approx(10 * 0.01)
    assert matting_terms(found, empty, image).detail.item() == 0  # nothing is asked of it away from outlines


def test_the_boundary_is_a_band() -> None:
    alpha = torch.zeros(1, 1, 128, 128)
    alpha[..., 64:] = 1
    band = boundary(alpha)[0, 0, 0]
    assert band.nonzero().flatten().tolist() == [61, 62, 63, 64, 65, 66]  # 128 / 20, made odd: three to each side


def test_measures() -> None:
    truth = disc(64, 64)
    assert measure(truth, truth) == {"mse": 0, "mad": 0, "gradient": 0, "iou": 1}
    found = measure(np.zeros_like(truth), truth)
    assert found["mad"] == pytest.approx(truth.mean(), rel=1e-5)
    assert found["iou"] == 0
    assert measure(np.zeros((8, 8)), np.zeros((8, 8)))["iou"] == 1
    assert gradient_error(truth, truth + 0.3) < 1e-9  # a level is not a gradient
    # A ramp of slope s has the gradient s under a derivative filter of unit response.
    ramp = np.tile(np.arange(64) * 0.01, (64, 1))
    assert gradient_error(ramp[:, 20:40], np.zeros((64, 20))) == pytest.approx(1e-4, rel=0.3)


def test_folding_changes_nothing() -> None:
    network = stirred(TINY)
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(folded(network)(image).alpha, network(image).alpha, atol=1e-5)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded(network).modules())


@pytest.mark.slow
def test_export_runs_without_torch_and_says_the_same(tmp_path: Path) -> None:
    network = stirred(TINY)
    metadata = MattingMetadata("tiny", network_options=dataclasses.asdict(TINY), reference_size=64, data="nothing")
    save_matting(network, metadata, tmp_path / "tiny.safetensors")
    assert is_matting(tmp_path / "tiny.safetensors")
    assert cli.main(["export", str(tmp_path / "tiny.safetensors"), "-o", str(tmp_path / "tiny.onnx")]) == 0
    model = MattingModel(tmp_path / "tiny.onnx", "cpu")
    assert model.metadata == dataclasses.replace(
        metadata, precision="fp16", fastnst_version=model.metadata.fastnst_version if model.metadata else ""
    )
    photo = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.5 - 1).alpha[0, 0]
    assert np.abs(model(photo) - expected.numpy()).mean() < 0.02
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert (tmp_path / "tiny.onnx").stat().st_size < 2 * parameters + 150_000  # two bytes each, and the graph
    assert str(tmp_path).encode() not in (tmp_path / "tiny.onnx").read_bytes()


def test_files_that_are_no_matting_checkpoints(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "foreign.ckpt")
    (tmp_path / "text.pth").write_text("no checkpoint")
    partial = {name: tensor for name, tensor in MattingNetwork(TINY).state_dict().items() if "f_branch" in name}
    torch.save(partial, tmp_path / "partial.ckpt")
    for name, reason in (
        ("foreign.ckpt", "is not a checkpoint of a matting network"),
        ("text.pth", "is not a checkpoint of a matting network"),
        ("missing.ckpt", "does not exist"),
        ("partial.ckpt", "does not hold the weights"),
    ):
        with pytest.raises(ModelError, match=reason):
            load_matting(tmp_path / name)
    assert not is_matting(tmp_path / "text.pth")


def test_sizes_that_make_no_network() -> None:
    for options, reason in (
        (MattingOptions(width=0), "width must be between"),
        (MattingOptions(detail=12), "detail must be a positive multiple of 8"),
    ):
        with pytest.raises(ConfigError, match=reason):
            MattingNetwork(options)


def test_coverage_counts_what_is_found_of_the_truth() -> None:
    truth = np.zeros((10, 10), np.float32)
    truth[:5] = 1
    assert coverage(truth, truth) == 1
    assert coverage(np.ones_like(truth), truth) == 1  # what is found beside it does not count
    assert coverage(0.5 * truth, truth) == pytest.approx(0.5)
    assert coverage(1 - truth, truth) == 0
    assert coverage(truth, np.zeros_like(truth)) == 1


@pytest.mark.slow
def test_an_exported_network_comes_back_from_its_file(tmp_path: Path) -> None:
    network, path = stirred(TINY), tmp_path / "m.onnx"
    described = MattingMetadata("m", network_options=dataclasses.asdict(TINY))
    export_matting_model(network, described, path, precision="fp32")
    found, metadata = load_exported(path)
    picture = torch.rand(2, 3, 64, 96) * 2 - 1
    torch.testing.assert_close(found(picture).alpha, network(picture).alpha, atol=1e-4, rtol=1e-4)
    assert (metadata.name, metadata.precision) == ("m", "fp32")
    mattes = found(picture, all_branches=True)  # the heads that only training needs begin undecided
    assert mattes.semantic is not None
    assert mattes.detail is not None
    assert float((mattes.semantic - 0.5).detach().abs().max()) == 0
    assert float((mattes.detail - 0.5).detach().abs().max()) == 0


def test_files_that_hold_no_network_to_go_on_from(tmp_path: Path, negative_model: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for path, reason in (
        (tmp_path / "none.onnx", "does not exist"),
        (tmp_path / "text.onnx", "is not an ONNX model"),
        (negative_model, "is not a matting model"),
        (write_ours(tmp_path / "red.onnx"), "does not hold a matting network"),
    ):
        with pytest.raises(ModelError, match=reason):
            load_exported(path)
