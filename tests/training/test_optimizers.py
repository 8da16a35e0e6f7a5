"""Muon against what it is defined to be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fastnst.errors import ConfigError
from fastnst.trainer.optimizers import Muon, build_optimizer, muon_groups, orthogonalized


@pytest.mark.parametrize("shape", [(8, 72), (64, 27), (16, 16)])
def test_steps_are_nearly_orthogonal(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    found = orthogonalized(matrix)
    values = torch.linalg.svdvals(found)
    assert 0.5 < values.min() <= values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.linalg.vector_norm(found - u @ v) < 0.3 * torch.linalg.vector_norm(u @ v)  # the same directions


def test_what_is_no_inner_convolution_is_moved_as_adam_does() -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4), nn.Conv2d(4, 3, 3))

    ours, theirs = network(), network()
    muon, adam = build_optimizer("muon", ours, 1e-2), build_optimizer("adam", theirs, 2e-3)
    assert isinstance(muon, Muon)
    assert [len(group["params"]) for group in muon.param_groups] == [1, 4]
    images = torch.rand(2, 3, 12, 12)
    for _ in range(3):
        for one, optimizer in ((ours, muon), (theirs, adam)):
            optimizer.zero_grad()
            one(images).square().mean().backward()
            optimizer.step()
        theirs[0].weight.data.copy_(ours[0].weight.data)  # the only one that Muon moved
        for mine, their in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(mine, their, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 3, 3, 3), (40, 2, 3, 3)])
def test_first_and_second_step_by_hand(shape: tuple[int, ...]) -> None:
    weight = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    gradients = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    optimizer = Muon(muon_groups([weight], [], 0.1))
    expected, momentum = weight.detach().clone(), torch.zeros(shape)
    wide = max(1.0, shape[0] / (shape[1] * 9)) ** 0.5
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        ahead = 0.05 * gradient + 0.95 * momentum
        expected -= 0.1 * wide * orthogonalized(ahead.flatten(1)).reshape(shape)
        assert torch.allclose(weight, expected, atol=1e-5)


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'muon'"):
        build_optimizer("moun", nn.Conv2d(1, 1, 1), 1e-3)
