from __future__ import annotations

import torch

from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.sliced import sliced_quantiles
from fastnst.perceptual.slim import load_slim


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((sliced_quantiles(one) - sliced_quantiles(other)).square().mean())


def test_order_and_size_do_not_matter() -> None:
    features = torch.randn(1, 6, 32, 32)
    shuffled = features.flatten(2)[:, :, torch.randperm(1024)].view_as(features)
    assert torch.allclose(sliced_quantiles(features), sliced_quantiles(shuffled), atol=1e-6)
    doubled = torch.cat([features, features], dim=3)
    assert torch.allclose(sliced_quantiles(features), sliced_quantiles(doubled), atol=1e-6)


def test_a_shift_costs_its_square() -> None:
    """W₂² of a distribution and itself moved by s is |s · direction|², whose mean over a basis is |s|² / C."""
    features, shift = torch.randn(1, 6, 32, 32), torch.randn(6)
    moved = features + shift.view(1, 6, 1, 1)
    assert abs(distance(features, moved) - float(shift.square().sum()) / 6) < 1e-4


def test_two_gaussians_are_as_far_apart_as_their_spreads() -> None:
    """W₂² of N(0, 1) and N(0, 4) is (2 − 1)²."""
    features = torch.randn(1, 4, 256, 256, generator=torch.Generator().manual_seed(0))
    assert abs(distance(features, 2 * features) - 1) < 0.03


def test_a_mask_counts_only_what_it_covers() -> None:
    left, right = torch.randn(1, 6, 64, 64), torch.randn(1, 6, 64, 64) + 9
    mask = torch.cat([torch.ones(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)], dim=3)
    masked = sliced_quantiles(torch.cat([left, right], dim=3), mask)
    assert float((masked - sliced_quantiles(left)).abs().mean()) < 0.02


def test_it_is_a_statistic_of_the_objective() -> None:
    config = ObjectiveConfig(statistic="sliced")
    objective = Objective(load_slim(padding="replicate"), config)
    painting, photo = torch.rand(1, 3, 64, 80), torch.rand(2, 3, 48, 48).requires_grad_()
    objective.set_style([painting])
    assert float(objective(painting, objective.content_target(painting))["style"]) < 1e-9
    measured = objective(photo, objective.content_target(photo.detach()))
    measured["style"].sum().backward()
    assert measured["style"].shape == (2,)
    assert float(photo.grad.abs().sum()) > 0
