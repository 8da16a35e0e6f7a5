"""Distances whose values are known: equal pictures, Gaussians, and torchmetrics' own LPIPS."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastnst.metrics.feature_distances import content_structure_distance, lpips, sliced_wasserstein
from fastnst.metrics.frechet import art_fid, frechet_distance
from fastnst.perceptual import PerceptualConfig, build_perceptual


def pictures(seed: int, side: int = 96) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "short"), [("alexnet", "alex"), ("vgg16", "vgg")])
def test_lpips_is_that_of_torchmetrics(name: str, short: str) -> None:
    from torchmetrics.functional.image.lpips import _LPIPS

    network = build_perceptual(PerceptualConfig(name, "random"))
    theirs = _LPIPS(pretrained=True, net=short, pnet_rand=True, eval_mode=True)
    state = dict(theirs.net.named_parameters())
    convolutions = list(network.convolutions.values())
    weights = [parameter for key, parameter in state.items() if key.endswith("weight")]
    biases = [parameter for key, parameter in state.items() if key.endswith("bias")]
    with torch.no_grad():
        for convolution, weight, bias in zip(convolutions, weights, biases, strict=True):
            weight.copy_(convolution.weight)
            bias.copy_(convolution.bias)
        first, second = pictures(1), pictures(2)
        expected = float(theirs(first * 2 - 1, second * 2 - 1))
    assert lpips(network, first, second) == pytest.approx(expected, rel=1e-4)
    assert lpips(network, first, first) == 0


def test_self_similarities_that_did_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_perceptual(PerceptualConfig("vgg16", "random"))
    photo = pictures(3)
    assert content_structure_distance(network, photo, photo) == 0
    assert content_structure_distance(network, photo.flip(3), photo) > 1e-4
    # Two positions with known features: rows of softmax(F Fᵀ), F = features over channels.
    known = {"one": torch.tensor([[2.0, 0.0], [0.0, 2.0]]), "other": torch.tensor([[2.0, 0.0], [2.0, 0.0]])}
    answers = iter((known["one"], known["other"]))
    monkeypatch.setattr(network, "features", lambda images, layers: {layers[0]: next(answers).T.reshape(1, 2, 1, 2)})
    row = torch.softmax(torch.tensor([1.0, 0.0]), 0)
    even = torch.tensor([0.5, 0.5])
    expected = 2 * float((even * (even / row).log()).sum())
    assert content_structure_distance(network, photo, photo) == pytest.approx(expected, rel=1e-5)


def test_self_similarities_of_small_features_are_not_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """For rows near the even one KL(p, q) is half the variance of the difference of what the softmaxes are of."""
    network = build_perceptual(PerceptualConfig("vgg16", "random"))
    generator = torch.Generator().manual_seed(0)
    found, expected = (0.02 * torch.rand(1, 4, 30, 40, generator=generator) for _ in range(2))
    answers = iter((found, expected))
    monkeypatch.setattr(network, "features", lambda images, layers: {layers[0]: next(answers)})
    mine, theirs = (one.flatten(2)[0].double() / 4 for one in (found, expected))
    difference = mine.T @ mine - theirs.T @ theirs
    closed = float(difference.var(dim=1, unbiased=False).sum() / 2)
    assert closed < 1e-6  # float32 sees some 1e-5 here
    assert content_structure_distance(network, pictures(1), pictures(2)) == pytest.approx(closed, rel=1e-3)


def test_sliced_wasserstein_of_two_gaussians() -> None:
    """In one dimension W² = (μ − μ')² + (σ − σ')²; the picture may have another size than the painting."""
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(1, 1, 80, 80, generator=generator) * 2 + 3
    expected = torch.randn(1, 1, 60, 70, generator=generator) * 0.5 + 1
    scale = float(expected.square().mean())
    distance = sliced_wasserstein({"layer": found}, {"layer": expected})
    assert distance * scale == pytest.approx(2**2 + 1.5**2, rel=0.05)
    assert sliced_wasserstein({"layer": found}, {"layer": found}) == 0
    shuffled = found.flatten()[torch.randperm(found.numel(), generator=generator)].view_as(found)
    assert sliced_wasserstein({"layer": shuffled}, {"layer": found}) < 1e-10  # where things are does not matter


def test_frechet_distance_of_two_gaussians() -> None:
    class Means(torch.nn.Module):
        num_features = 2

        def forward(self, image: Tensor) -> Tensor:
            return image[:, :2, 0, 0].double()

    def drawn(mean: Tensor, scale: Tensor, seed: int) -> list[Tensor]:
        values = torch.randn(1500, 2, generator=torch.Generator().manual_seed(seed)) * scale + mean
        return [torch.cat([value, torch.zeros(1)]).view(1, 3, 1, 1) for value in values]

    one = drawn(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]), 0)
    other = drawn(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.5]), 1)
    assert frechet_distance(Means(), one, other) == pytest.approx(2**2 + 1.5**2, rel=0.08)
    assert frechet_distance(Means(), one, one) == pytest.approx(0, abs=1e-3)
    assert art_fid(0.5, 3.0) == 6


@pytest.mark.slow
def test_random_filters_are_the_same_everywhere_and_see_texture() -> None:
    first, second = (build_perceptual(PerceptualConfig("vgg16", "random")) for _ in range(2))
    photo = pictures(4)
    layers = ["relu1_2", "relu3_3", "relu4_3"]
    mine, again = (network.features(photo, layers) for network in (first, second))
    for layer in layers:
        assert torch.equal(mine[layer], again[layer])
        assert 0.02 < float(mine[layer].square().mean()) < 20  # neither dying out nor growing with depth
    fine, coarse = pictures(5, 128), torch.nn.functional.interpolate(pictures(5, 16), scale_factor=8)
    textures = {name: first.features(one, layers) for name, one in (("fine", fine), ("coarse", coarse))}
    other = first.features(pictures(6, 128), layers)
    assert sliced_wasserstein(other, textures["fine"]) < 0.2 * sliced_wasserstein(other, textures["coarse"])
