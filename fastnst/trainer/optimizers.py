"""Optimizers of the network's weights: Adam as published, or Muon, which gets further in as many steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fastnst.errors import ConfigError, suggest

OPTIMIZERS = ("adam", "muon")
_MOMENTUM = 0.95
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of Adam
_ADAM_SHARE = 0.2  # of Muon's rate, for what Muon does not move
# Coefficients of the quintic Newton-Schulz iteration: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def build_optimizer(name: str, network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """The optimizer of a network's parameters.

    Args:
        name: `adam`, or `muon`: convolutions by Muon, norms, biases and the last convolution by Adam at a fifth of the
            rate.
        rate: the peak learning rate, about 2e-3 for `adam` and 1e-2 for `muon`.

    Raises `ConfigError` for an unknown name.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if name == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=_BETAS, eps=_EPSILON)
    if name == "muon":
        *inner, _last = [parameter for parameter in parameters if parameter.ndim == 4]
        chosen = {id(parameter) for parameter in inner}
        return Muon(inner, [one for one in parameters if id(one) not in chosen], rate)
    raise ConfigError(f"unknown optimizer '{name}'.{suggest(name, OPTIMIZERS)} Choose one of: {', '.join(OPTIMIZERS)}.")


def rate_factor(step: int, steps: int, warmup: float, final: float) -> float:
    """The learning rate at `step` as a share of its peak: linear warm-up, then half a cosine down to `final`."""
    warmup_steps = max(1, round(warmup * steps))
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


class Muon(torch.optim.Optimizer):
    """Momentum whose every step is made orthogonal (Jordan et al. 2024), for convolutions seen as matrices.

    All directions of a layer then move alike, also those whose gradients are small beside the largest ones. PyTorch has
    it for matrices only.

    Args:
        matrices: convolutions' weights, each flattened to `[out, in · k · k]`.
        others: parameters that Adam moves.
        rate: the learning rate of the former; the latter get a fifth of it.
    """

    def __init__(self, matrices: list[nn.Parameter], others: list[nn.Parameter], rate: float) -> None:
        groups: list[dict[str, Any]] = [
            {"params": matrices, "lr": rate, "orthogonal": True},
            {"params": others, "lr": _ADAM_SHARE * rate, "orthogonal": False},
        ]
        super().__init__(groups, {"lr": rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            direction = _orthogonal if group["orthogonal"] else _adaptive
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(direction(parameter.grad, self.state[parameter]), alpha=-group["lr"])
        return loss


def _orthogonal(gradient: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Muon's direction for one convolution."""
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
    ahead = gradient.lerp(state["momentum"], _MOMENTUM)  # Nesterov's look ahead
    matrix = orthogonalized(ahead.flatten(1))
    rows, columns = matrix.shape
    scaled: Tensor = matrix.reshape(gradient.shape) * max(1.0, rows / columns) ** 0.5
    return scaled


def _adaptive(gradient: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Adam's direction for one parameter (Kingma and Ba 2015, algorithm 1)."""
    if not state:
        state["step"] = torch.zeros(())
        state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    state["step"] += 1
    first, second = (1 - beta ** float(state["step"]) for beta in _BETAS)
    state["mean"].lerp_(gradient, 1 - _BETAS[0])
    state["square"].mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
    direction: Tensor = (state["mean"] / first) / ((state["square"] / second).sqrt() + _EPSILON)
    return direction


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix `[R, C]` of the same singular vectors whose singular values are all about 1 (0.7 to 1.2)."""
    a, b, c = _QUINTIC
    wide = matrix.float() / (matrix.norm() + 1e-9)
    tall = wide.shape[0] > wide.shape[1]
    if tall:
        wide = wide.T
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    orthogonal: Tensor = wide.T if tall else wide
    return orthogonal.to(matrix.dtype)
