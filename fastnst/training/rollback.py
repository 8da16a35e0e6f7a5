"""The state that a training returns to when it goes bad: a style's network and what moves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from fastnst.training.module import StyleTraining


@dataclass
class GuardState:
    """What is remembered of one style: plain values, for its checkpoints.

    Attributes:
        returned: how often it was brought back.
        measured_step: the step of the latest measurement.
        suspect: validations above the limits, in a row.
        best: the lowest objective on the previews so far; None before the first.
        good: the state to return to.
    """

    returned: int = 0
    measured_step: int = 0
    suspect: int = 0
    best: float | None = None
    good: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "returned": self.returned,
            "looked_at": self.measured_step,
            "suspect": self.suspect,
            "best": self.best,
            "good": self.good,
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> GuardState:
        """From a checkpoint; also one whose optimizer was kept as a whole."""
        good = state["good"]
        if good is not None and "optimizer" in good:
            kept = good["optimizer"]["state"]
            good = {name: value for name, value in good.items() if name != "optimizer"}
            good["moments"] = [kept[index] for index in sorted(kept)]
        return cls(state["returned"], state["looked_at"], state["suspect"], state["best"], good)


def _groups(trainer: pl.Trainer, style: StyleTraining) -> list[int]:
    """The numbers of the optimizer's parameter groups that are of this style."""
    own = {id(parameter) for parameter in style.network.parameters()}
    groups = trainer.optimizers[0].param_groups
    return [index for index, group in enumerate(groups) if all(id(one) in own for one in group["params"])]


def _parameters(trainer: pl.Trainer, style: StyleTraining) -> list[torch.nn.Parameter]:
    groups = trainer.optimizers[0].param_groups
    return [parameter for index in _groups(trainer, style) for parameter in groups[index]["params"]]


def snapshot(trainer: pl.Trainer, style: StyleTraining) -> dict[str, Any]:
    """The network and its optimizer as they are, on the CPU; plain enough for a checkpoint without pickled classes."""
    state = trainer.optimizers[0].state
    return {
        "step": trainer.global_step,
        "lost_steps": style.lost_steps,
        "network": _copy(style.network.state_dict()),
        "moments": [_copy(dict(state.get(one, {}))) for one in _parameters(trainer, style)],
    }


def restore(good: dict[str, Any], trainer: pl.Trainer, style: StyleTraining) -> None:
    """Become what `_snapshot` kept, but for the step count and the schedule, which go on."""
    optimizer = trainer.optimizers[0]
    style.network.load_state_dict(good["network"])
    for parameter, kept in zip(_parameters(trainer, style), good["moments"], strict=True):
        # Adam's step count stays where it is, on the CPU.
        moments = {name: value if value.ndim == 0 else value.to(parameter.device) for name, value in kept.items()}
        optimizer.state[parameter] = _copy_where_it_is(moments)
        parameter.grad = None if parameter.grad is None else torch.zeros_like(parameter.grad)
    style.lost_steps = good["lost_steps"] + trainer.global_step - good["step"]


def lower_rate(trainer: pl.Trainer, style: StyleTraining, factor: float) -> float:
    """Multiply the style's schedule from here on, and return its new peak."""
    schedule = trainer.lr_scheduler_configs[0].scheduler
    groups = _groups(trainer, style)
    for index in groups:
        schedule.base_lrs[index] *= factor  # in the schedule's own checkpoint
        group = trainer.optimizers[0].param_groups[index]
        group["lr"] *= factor
        group["initial_lr"] *= factor
    return float(schedule.base_lrs[groups[0]])


def _copy(state: Any) -> Any:
    """A deep copy with tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copy(value) for key, value in state.items()}
    return state


def _copy_where_it_is(moments: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in moments.items()}
