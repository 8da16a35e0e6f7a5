"""Guards of a training: a run that goes bad returns to its last good state with a lower learning rate."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from fastnst.errors import ConfigError, FastNSTError
from fastnst.trainer.run_files import run_folder
from fastnst.training.data import PhotoData
from fastnst.training.module import StyleTraining
from fastnst.training.preview_metrics import Limits, PreviewEvaluator, PreviewMetrics

log = logging.getLogger(__name__)


class TrainingDivergedError(FastNSTError):
    """A training went bad more often than it may return."""


class Guards(pl.Callback):
    """Watch a training and bring it back when it goes bad.

    At every step the loss and the network's parameters must be numbers. At every validation the preview
    metrics are measured: grid, border, saturated blobs and the objective; they are logged as `guards/…`. A run is bad

    - at once, if a number is none, or if the objective exceeds `limits.explosion` times the best so far;
    - if the same or other measures are above their limits at `patience` validations in a row, after the warm-up.

    Then the network and its optimizer become again what they were at the last good validation (or at the start), and
    the learning rate is lowered by `rate_drop` from there on. The step count goes on, so that the photos that follow
    are others and the schedule ends when it should; `StyleMetadata.steps` leaves out what was lost. After `returns`
    returns the run stops with the last good state in `checkpoints/good.ckpt`.

    The state (the last good network included) is part of every checkpoint: a resumed run decides as the uninterrupted
    one would. With several processes the first one measures and all follow it.

    Args:
        enabled: False only watches for what is not a number, and stops there.
        returns: how often a run may return; 0 stops it when it goes bad for the first time.
        rate_drop: what the learning rate is multiplied with at a return.
        patience: validations in a row with measures above their limits.
        warmup: share of the steps before which limits do not count: early pictures are never good.
        photos: held-out photos that are measured.
        limits: of the measures.
    """

    def __init__(
        self,
        enabled: bool = True,
        returns: int = 3,
        rate_drop: float = 0.5,
        patience: int = 2,
        warmup: float = 0.2,
        photos: int = 4,
        limits: Limits = Limits(),  # noqa: B008 (jsonargparse wants a dataclass default)
    ) -> None:
        for name, value, least in (("returns", returns, 0), ("patience", patience, 1), ("photos", photos, 1)):
            if value < least:
                raise ConfigError(f"guards.{name} must be at least {least}, not {value}.")
        if not 0 < rate_drop < 1:
            raise ConfigError(f"guards.rate_drop must be between 0 and 1, not {rate_drop}.")
        if not 0 <= warmup <= 1:
            raise ConfigError(f"guards.warmup must be between 0 and 1, not {warmup}.")
        limits.validate()
        self.enabled, self.returns, self.rate_drop = enabled, returns, rate_drop
        self.patience, self.warmup, self.photos, self.limits = patience, warmup, photos, limits
        self.returned = 0
        self._measured_step = 0  # the step of the latest measurement
        self._suspect = 0  # validations above the limits, in a row
        self._best: float | None = None  # objective, on the previews
        self._good: dict[str, Any] | None = None
        self._evaluator: PreviewEvaluator | None = None

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        return {
            "returned": self.returned,
            "looked_at": self._measured_step,
            "suspect": self._suspect,
            "best": self._best,
            "good": self._good,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over `state_dict`."""
        self.returned, self._measured_step, self._suspect = state["returned"], state["looked_at"], state["suspect"]
        self._best, self._good = state["best"], state["good"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the start, and make up for a measurement that a resumed run owes."""
        module = cast(StyleTraining, pl_module)
        self._evaluator = None
        if self._good is None:
            self._good = _snapshot(trainer, module)
        # Lightning saves before it validates and does not validate again: a checkpoint misses its step's measurement.
        step, every = trainer.global_step, trainer.val_check_batch
        due = every and step > 0 and step * trainer.accumulate_grad_batches % every == 0
        if due and self._measured_step < step:
            self._check(trainer, module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Roll back at once if the loss or the network are no longer numbers."""
        module = cast(StyleTraining, pl_module)
        if isinstance(outputs, dict):
            outputs = outputs["loss"]
        # One norm over everything: a single number has to come from the device.
        norm = torch.nn.utils.get_total_norm(
            [outputs.detach(), *(part.detach() for part in module.network.parameters())]
        )
        is_number = bool(torch.isfinite(norm))
        if not trainer.strategy.reduce_boolean_decision(is_number, all=True):
            self._roll_back(trainer, module, "the objective became nan")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure the previews and decide."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._check(trainer, cast(StyleTraining, pl_module))

    def _check(self, trainer: pl.Trainer, module: StyleTraining) -> None:
        """Measure, and roll back if that is bad; the same on all ranks."""
        if not self.enabled:
            return
        measured = self._measure(trainer, module) if trainer.is_global_zero else None
        metrics, best = cast(tuple[PreviewMetrics, float], trainer.strategy.broadcast(measured))
        step = self._measured_step = trainer.global_step
        excesses = metrics.excesses(self.limits)
        if not metrics.finite:
            self._roll_back(trainer, module, "the previews hold values that are not numbers")
            return
        if metrics.objective > self.limits.explosion * best:
            self._roll_back(trainer, module, f"the objective {metrics.objective:.3g} is far above its best, {best:.3g}")
            return
        self._best = min(best, metrics.objective)
        if not excesses:
            self._suspect, self._good = 0, _snapshot(trainer, module)
        elif step >= self.warmup * trainer.max_steps:
            self._suspect += 1
            if self._suspect >= self.patience:
                often = f" at {self._suspect} validations in a row" if self._suspect > 1 else ""
                self._roll_back(trainer, module, f"{' and '.join(excesses)}{often}")

    def _measure(self, trainer: pl.Trainer, module: StyleTraining) -> tuple[PreviewMetrics, float]:
        """Measure, on the first rank, and log the metrics; also the best objective so far."""
        if self._evaluator is None:
            held_out = cast(PhotoData, cast(Any, trainer).datamodule).val_dataset
            photos = torch.stack([held_out[index][:3] for index in range(min(self.photos, len(held_out)))])
            self._evaluator = PreviewEvaluator(module, photos)
        metrics = self._evaluator.measure()
        if trainer.logger is not None and metrics.finite:
            measures = {name: getattr(metrics, name) for name in ("grid", "border", "blobs", "objective")}
            measures["returns"] = self.returned
            trainer.logger.log_metrics(
                {f"guards/{name}": value for name, value in measures.items()}, trainer.global_step
            )
        return metrics, self._evaluator.idle_objective if self._best is None else self._best

    def _roll_back(self, trainer: pl.Trainer, module: StyleTraining, reason: str) -> None:
        """Return to the last good state with a lower rate, or stop. Raises `TrainingDivergedError`."""
        assert self._good is not None
        step, good_step = trainer.global_step, self._good["step"]
        _restore(self._good, trainer, module)
        self._suspect = 0
        if self.returned >= (self.returns if self.enabled else 0):
            path = run_folder(trainer) / "checkpoints" / "good.ckpt"
            trainer.save_checkpoint(path)
            raise TrainingDivergedError(self._stop_message(reason, step, good_step, path, module.learning_rate))
        self.returned += 1
        rate = _lower_rate(trainer, self.rate_drop)
        if not trainer.is_global_zero:
            return
        log.warning(
            "Step %d: %s; back to step %d, with a peak learning rate of %.3g from here on (return %d of %d).",
            *(step, reason, good_step, rate, self.returned, self.returns),
        )

    def _stop_message(self, reason: str, step: int, good_step: int, path: Path, rate: float) -> str:
        """The sentence that a run stops with."""
        often = f" after {self.returned} return(s) to a lower learning rate" if self.returned else ""
        remedy = f"a --model.learning_rate below {rate * self.rate_drop**self.returned:.2g}"
        if good_step == 0:
            return f"{reason} at step {step}{often}, and nothing good came before: start again with {remedy}."
        return (
            f"{reason} at step {step}{often}: what was good at step {good_step} is kept; go on from it with"
            f" --init {path} and {remedy}."
        )


def _snapshot(trainer: pl.Trainer, module: StyleTraining) -> dict[str, Any]:
    """The network and its optimizer as they are, on the CPU; plain enough for a checkpoint without pickled classes."""
    return {
        "step": trainer.global_step,
        "lost_steps": module.lost_steps,
        "network": _copy(module.network.state_dict()),
        "optimizer": _copy(trainer.optimizers[0].state_dict()),
    }


def _restore(good: dict[str, Any], trainer: pl.Trainer, module: StyleTraining) -> None:
    """Become what `_snapshot` kept, but for the step count and the schedule, which go on."""
    optimizer = trainer.optimizers[0]
    rates = [(group["lr"], group["initial_lr"]) for group in optimizer.param_groups]
    module.network.load_state_dict(good["network"])
    optimizer.load_state_dict(_copy(good["optimizer"]))
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"], group["initial_lr"] = rate
    optimizer.zero_grad()  # of batches that are accumulated
    module.lost_steps = good["lost_steps"] + trainer.global_step - good["step"]


def _lower_rate(trainer: pl.Trainer, factor: float) -> float:
    """Multiply the whole schedule from here on, and return its new peak."""
    schedule = trainer.lr_scheduler_configs[0].scheduler
    schedule.base_lrs = [rate * factor for rate in schedule.base_lrs]  # in the schedule's own checkpoint
    for group in trainer.optimizers[0].param_groups:
        group["lr"] *= factor
        group["initial_lr"] *= factor
    return float(schedule.base_lrs[0])


def _copy(state: Any) -> Any:
    """A deep copy with tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copy(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_copy(value) for value in state)
    return state
