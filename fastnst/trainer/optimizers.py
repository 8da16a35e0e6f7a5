"""Optimizers of the network's weights: Adam as published, or Muon, which gets further in as many steps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
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
    return build_joint_optimizer(name, [(network, rate)])


def build_joint_optimizer(name: str, networks: Sequence[tuple[nn.Module, float]]) -> torch.optim.Optimizer:
    """One optimizer for several networks, each with a rate of its own; see `build_optimizer`.

    Each network's parameters are groups of their own, in the networks' order.
    """
    if name not in OPTIMIZERS:
        raise ConfigError(
            f"unknown optimizer '{name}'.{suggest(name, OPTIMIZERS)} Choose one of: {', '.join(OPTIMIZERS)}."
        )
    if name == "adam":
        groups = [{"params": _trained(network), "lr": rate} for network, rate in networks]
        return torch.optim.Adam(groups, betas=_BETAS, eps=_EPSILON)
    return Muon([group for network, rate in networks for group in _muon_groups(network, rate)])


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _muon_groups(network: nn.Module, rate: float) -> list[dict[str, Any]]:
    parameters = _trained(network)
    *inner, _last = [parameter for parameter in parameters if parameter.ndim == 4]
    chosen = {id(parameter) for parameter in inner}
    return muon_groups(inner, [one for one in parameters if id(one) not in chosen], rate)


def muon_groups(matrices: list[nn.Parameter], others: list[nn.Parameter], rate: float) -> list[dict[str, Any]]:
    """The groups of one network for `Muon`: convolutions that it moves, and parameters that Adam moves."""
    return [
        {"params": matrices, "lr": rate, "orthogonal": True},
        {"params": others, "lr": _ADAM_SHARE * rate, "orthogonal": False},
    ]


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
    it for matrices only. Convolutions of one shape, of all networks, go through its iteration as one stack: on a GPU,
    where a step is as long as the number of its operations, that is a thirtieth of them.

    Args:
        groups: of `muon_groups`. A convolution's weight counts as a matrix `[out, in · k · k]`.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for move, orthogonal in ((self._move_matrices, True), (self._move_others, False)):
            moved = [
                (parameter, group["lr"])
                for group in self.param_groups
                if group["orthogonal"] is orthogonal
                for parameter in group["params"]
                if parameter.grad is not None
            ]
            if moved:
                move(moved)
        return loss

    def _move_matrices(self, moved: list[tuple[nn.Parameter, float]]) -> None:
        """Muon's step."""
        gradients = _gradients(moved)
        momenta = [self._kept(parameter, "momentum") for parameter, _ in moved]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)  # Nesterov's look ahead
        stacks: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (parameter, _) in enumerate(moved):
            stacks[parameter.flatten(1).shape].append(index)
        for (rows, columns), indices in stacks.items():
            directions = orthogonalized(torch.stack([ahead[index].flatten(1) for index in indices]))
            scale = max(1.0, rows / columns) ** 0.5
            parameters: list[Tensor] = [moved[index][0] for index in indices]
            steps = [one.reshape(parameter.shape) for one, parameter in zip(directions, parameters, strict=True)]
            torch._foreach_mul_(steps, [-scale * moved[index][1] for index in indices])
            torch._foreach_add_(parameters, steps)

    def _move_others(self, moved: list[tuple[nn.Parameter, float]]) -> None:
        """Adam's step (Kingma and Ba 2015, algorithm 1)."""
        gradients = _gradients(moved)
        means = [self._kept(parameter, "mean") for parameter, _ in moved]
        squares = [self._kept(parameter, "square") for parameter, _ in moved]
        counts = []
        for parameter, _ in moved:
            state = self.state[parameter]
            state["step"] = state["step"] + 1 if "step" in state else torch.ones(())
            counts.append(float(state["step"]))
        torch._foreach_lerp_(means, gradients, 1 - _BETAS[0])
        torch._foreach_mul_(squares, _BETAS[1])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - _BETAS[1])
        roots = torch._foreach_div(squares, [1 - _BETAS[1] ** count for count in counts])
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, _EPSILON)
        steps = torch._foreach_div(means, [1 - _BETAS[0] ** count for count in counts])
        torch._foreach_div_(steps, roots)
        torch._foreach_mul_(steps, [-rate for _, rate in moved])
        torch._foreach_add_([parameter for parameter, _ in moved], steps)

    def _kept(self, parameter: nn.Parameter, name: str) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        kept: Tensor = state[name]
        return kept


def _gradients(moved: list[tuple[nn.Parameter, float]]) -> list[Tensor]:
    return [parameter.grad for parameter, _ in moved if parameter.grad is not None]


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices `[..., R, C]` of the same singular vectors whose singular values are all about 1 (0.7 to 1.2)."""
    a, b, c = _QUINTIC
    wide = matrices.float() / (torch.linalg.matrix_norm(matrices.float(), keepdim=True) + 1e-9)
    tall = wide.shape[-2] > wide.shape[-1]
    if tall:
        wide = wide.mT
    for _ in range(_ITERATIONS):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    orthogonal: Tensor = wide.mT if tall else wide
    return orthogonal.to(matrices.dtype)
