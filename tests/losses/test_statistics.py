from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fastnst.losses.statistics import covariance, gram_matrix, mean_std, resize_mask, squared_distance, total_variation


def test_gram_of_orthogonal_channels_is_diagonal() -> None:
    features = torch.zeros(1, 3, 1, 3)
    for channel, value in enumerate((1.0, 2.0, 3.0)):
        features[0, channel, 0, channel] = value
    assert torch.allclose(gram_matrix(features)[0], torch.diag(torch.tensor([1.0, 4.0, 9.0])) / 3)


def test_gram_equals_the_plain_sum_over_positions() -> None:
    features = torch.randn(2, 5, 4, 6)
    expected = torch.zeros(2, 5, 5)
    for sample in range(2):
        for row in range(4):
            for column in range(6):
                vector = features[sample, :, row, column]
                expected[sample] += torch.outer(vector, vector) / 24
    assert torch.allclose(gram_matrix(features), expected, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_gradient_is_autograds(layout: torch.memory_format) -> None:
    base = torch.randn(2, 5, 4, 6, dtype=torch.float64).to(memory_format=layout)
    weights = torch.randn(2, 5, 5)
    ours, plain = base.clone().requires_grad_(), base.clone().requires_grad_()
    (gram_matrix(ours) * weights).sum().backward()
    flat = plain.flatten(2)
    (flat @ flat.transpose(1, 2) / 24 * weights).sum().backward()
    assert torch.allclose(ours.grad, plain.grad, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_gram_second_derivative_is_autograds(dtype: torch.dtype, tolerance: float) -> None:
    """Distillation compares gradients, so the gradient's own gradient must be right."""
    features = torch.rand(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))

    def second(start: torch.Tensor, gram: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        x = start.clone().requires_grad_()
        (slope,) = torch.autograd.grad(gram(x).square().sum(), x, create_graph=True)
        return torch.autograd.grad((slope.float() * direction).sum(), x)[0].float()

    expected = second(features, lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2) / 36)
    error = (second(features.to(dtype), gram_matrix) - expected).norm() / expected.norm()
    assert float(error) < tolerance


def test_gram_of_bfloat16_is_float32_and_close() -> None:
    features = torch.randn(1, 64, 32, 32)
    reduced = gram_matrix(features.bfloat16())
    assert reduced.dtype == torch.float32
    assert torch.allclose(reduced, gram_matrix(features), atol=2e-2)


@pytest.mark.parametrize("statistic", [gram_matrix, covariance, mean_std])
def test_a_full_mask_changes_nothing_and_half_a_mask_is_the_half(statistic) -> None:
    features = torch.randn(1, 4, 6, 8)
    assert torch.allclose(statistic(features, torch.ones(1, 1, 6, 8)), statistic(features), atol=1e-5)
    left = torch.zeros(1, 1, 6, 8)
    left[..., :4] = 1
    assert torch.allclose(statistic(features, left), statistic(features[..., :4].contiguous()), atol=1e-5)


@pytest.mark.parametrize("statistic", [gram_matrix, covariance, mean_std])
def test_an_empty_mask_gives_finite_numbers(statistic) -> None:
    features = torch.randn(1, 4, 6, 8, requires_grad=True)
    statistic(features, torch.zeros(1, 1, 6, 8)).sum().backward()
    assert torch.isfinite(features.grad).all()


def test_covariance_ignores_brightness_and_gram_does_not() -> None:
    features = torch.randn(1, 4, 6, 8)
    assert torch.allclose(covariance(features + 3), covariance(features), atol=1e-4)
    assert not torch.allclose(gram_matrix(features + 3), gram_matrix(features), atol=1)


def test_mean_std_of_a_constant_has_a_finite_gradient() -> None:
    features = torch.full((1, 2, 3, 3), 5.0, requires_grad=True)
    statistic = mean_std(features)
    assert torch.allclose(statistic[0, :2], torch.tensor([5.0, 5.0]))
    statistic.sum().backward()
    assert torch.isfinite(features.grad).all()


def test_total_variation_of_a_checkerboard() -> None:
    y, x = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
    board = ((x + y) % 2).float().expand(1, 3, 4, 6)
    edges = 4 * 5 + 3 * 6  # every neighbour differs by one
    assert total_variation(board).item() == pytest.approx(edges / 24)
    assert total_variation(torch.full((1, 3, 4, 6), 0.3)).item() == 0


def test_squared_distance_takes_one_target_for_a_batch() -> None:
    features = torch.stack([torch.zeros(2, 3, 3), torch.ones(2, 3, 3)])
    assert squared_distance(features, torch.zeros(1, 2, 3, 3)).tolist() == [0, 18]


def test_a_reduced_mask_keeps_its_mean() -> None:
    mask = torch.rand(1, 1, 32, 48)
    assert resize_mask(mask, (4, 6)).mean().item() == pytest.approx(mask.mean().item(), abs=1e-6)
