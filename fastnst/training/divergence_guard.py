"""The divergence guard: a training that goes bad is rolled back to its last good state, with a lower learning rate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch

from fastnst.errors import ConfigError, FastNSTError, check_minima
from fastnst.trainer.run_files import run_folder
from fastnst.training.data import PhotoData
from fastnst.training.module import StyleTraining
from fastnst.training.preview_metrics import Limits, PreviewEvaluator, PreviewMetrics
from fastnst.training.rollback import GuardState, lower_rate, restore, snapshot
from fastnst.training.several_styles import StylesTraining, style_modules

log = logging.getLogger(__name__)


_CUDA_STEPS = 50  # steps between two looks at whether all is a number, on a GPU
_TOO_EARLY = -1  # measures above their limits in the warm-up: not counted, and not good either


class TrainingDivergedError(FastNSTError):
    """A training went bad more often than it may be rolled back."""


class Guards(pl.Callback):
    """Watch a training and roll it back when it goes bad.

    Of several styles in one run each is watched, and rolled back, by itself.

    At every step (on a GPU, every 50th) the loss and the network's parameters must be numbers. At every validation the
    preview metrics are measured: grid, border, saturated blobs and the objective; they are logged as `guards/…`. A run
    is bad

    - at once, if a number is none, or if the objective exceeds `limits.explosion` times the best so far;
    - if the same or other measures are above their limits at `patience` validations in a row, after the warm-up.

    Then the network and its optimizer become again what they were at the last good validation (or at the start), and
    the learning rate is lowered by `rate_drop` from there on. The step count goes on, so that the photos that follow
    are others and the schedule ends when it should; `StyleMetadata.steps` leaves out what was lost. After
    `max_rollbacks` rollbacks the run stops with the last good state in `checkpoints/good.ckpt`.

    The state (the last good network included) is part of every checkpoint: a resumed run decides as the uninterrupted
    one would. With several processes the first one measures and all follow it.

    Args:
        enabled: False only watches for what is not a number, and stops there.
        max_rollbacks: how often a run may be rolled back; 0 stops it when it goes bad for the first time.
        rate_drop: what the learning rate is multiplied with at a rollback.
        patience: validations in a row with measures above their limits.
        warmup: share of the steps before which limits do not count: early pictures are never good.
        photos: held-out photos that are measured.
        limits: of the measures.
    """

    def __init__(
        self,
        enabled: bool = True,
        max_rollbacks: int = 3,
        rate_drop: float = 0.5,
        patience: int = 2,
        warmup: float = 0.2,
        photos: int = 4,
        limits: Limits = Limits(),  # noqa: B008 (jsonargparse wants a dataclass default)
    ) -> None:
        minima = {"max_rollbacks": (max_rollbacks, 0), "patience": (patience, 1), "photos": (photos, 1)}
        check_minima({f"guards.{name}": bound for name, bound in minima.items()})
        if not 0 < rate_drop < 1:
            raise ConfigError(f"guards.rate_drop must be between 0 and 1, not {rate_drop}.")
        if not 0 <= warmup <= 1:
            raise ConfigError(f"guards.warmup must be between 0 and 1, not {warmup}.")
        limits.validate()
        self.enabled, self.max_rollbacks, self.rate_drop = enabled, max_rollbacks, rate_drop
        self.patience, self.warmup, self.photos, self.limits = patience, warmup, photos, limits
        self._states: list[GuardState] = [GuardState()]  # one a style
        self._evaluators: list[PreviewEvaluator] = []

    @property
    def returned(self) -> int:
        """The number of rollbacks so far, of all styles."""
        return sum(state.returned for state in self._states)

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        first, *others = [state.state_dict() for state in self._states]
        return first | ({"others": others} if others else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over `state_dict`."""
        self._states = [GuardState.of(one) for one in (state, *state.get("others", []))]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the start, and make up for a measurement that a resumed run owes."""
        styles = style_modules(pl_module)
        self._evaluators = []
        if len(self._states) != len(styles):
            self._states = [GuardState() for _ in styles]
        for state, style in zip(self._states, styles, strict=True):
            state.good = state.good or snapshot(trainer, style)
        # Lightning saves before it validates and does not validate again: a checkpoint misses its step's measurement.
        step, every = trainer.global_step, trainer.val_check_batch
        due = every and step > 0 and step * trainer.accumulate_grad_batches % every == 0
        if due and self._states[0].measured_step < step:
            self._check(trainer, styles)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Roll back at once what is no longer a number: a loss, or a network."""
        # A GPU is far ahead of what asks it, and would be waited for.
        if pl_module.device.type == "cuda" and trainer.global_step % _CUDA_STEPS:
            return
        styles = style_modules(pl_module)
        if isinstance(pl_module, StylesTraining):
            assert pl_module.latest_totals is not None
            losses = list(pl_module.latest_totals.unbind())
        else:
            losses = [(outputs["loss"] if isinstance(outputs, dict) else outputs).detach()]
        # One norm over everything of a style, and a single transfer from the device.
        norms = [
            torch.nn.utils.get_total_norm([loss, *(part.detach() for part in style.network.parameters())])
            for loss, style in zip(losses, styles, strict=True)
        ]
        for index, is_number in enumerate(torch.isfinite(torch.stack(norms)).tolist()):
            if not trainer.strategy.reduce_boolean_decision(is_number, all=True):
                self._roll_back(trainer, styles[index], self._states[index], "the objective became nan")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure the previews and decide."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._check(trainer, style_modules(pl_module))

    def _check(self, trainer: pl.Trainer, styles: Sequence[StyleTraining]) -> None:
        """Measure, and roll back what is bad; the same on all ranks."""
        if not self.enabled:
            return
        measured = self._measure(trainer, styles) if trainer.is_global_zero else None
        found = cast(list[tuple[PreviewMetrics, float]], trainer.strategy.broadcast(measured))
        for style, state, (metrics, best) in zip(styles, self._states, found, strict=True):
            state.measured_step = trainer.global_step
            reason = self._judged(trainer, state, metrics, best)
            if reason is not None:
                self._roll_back(trainer, style, state, reason)
            elif not state.suspect:
                state.good = snapshot(trainer, style)

    def _judged(self, trainer: pl.Trainer, state: GuardState, metrics: PreviewMetrics, best: float) -> str | None:
        """The reason to roll back, if there is one; counts validations above the limits."""
        if not metrics.finite:
            return "the previews hold values that are not numbers"
        if metrics.objective > self.limits.explosion * best:
            return f"the objective {metrics.objective:.3g} is far above its best, {best:.3g}"
        state.best = min(best, metrics.objective)
        excesses = metrics.excesses(self.limits)
        if not excesses:
            state.suspect = 0
            return None
        if trainer.global_step < self.warmup * trainer.max_steps:
            state.suspect = state.suspect or _TOO_EARLY
            return None
        state.suspect = max(0, state.suspect) + 1
        if state.suspect < self.patience:
            return None
        often = f" at {state.suspect} validations in a row" if state.suspect > 1 else ""
        return f"{' and '.join(excesses)}{often}"

    def _measure(self, trainer: pl.Trainer, styles: Sequence[StyleTraining]) -> list[tuple[PreviewMetrics, float]]:
        """Measure, on the first rank, and log the metrics; also the best objective so far of each style."""
        if not self._evaluators:
            held_out = cast(PhotoData, cast(Any, trainer).datamodule).val_dataset
            photos = torch.stack([held_out[index][:3] for index in range(min(self.photos, len(held_out)))])
            self._evaluators = [PreviewEvaluator(style, photos) for style in styles]
        found = []
        for style, state, evaluator in zip(styles, self._states, self._evaluators, strict=True):
            metrics = evaluator.measure()
            if trainer.logger is not None and metrics.finite:
                measures = {name: getattr(metrics, name) for name in ("grid", "border", "blobs", "objective")}
                measures["rollbacks"] = state.returned
                group = "guards" if len(styles) == 1 else f"{style.style_name}/guards"
                logged = {f"{group}/{name}": value for name, value in measures.items()}
                trainer.logger.log_metrics(logged, trainer.global_step)
            found.append((metrics, evaluator.idle_objective if state.best is None else state.best))
        return found

    def _roll_back(self, trainer: pl.Trainer, style: StyleTraining, state: GuardState, reason: str) -> None:
        """Go back to the last good state with a lower rate, or stop. Raises `TrainingDivergedError`."""
        assert state.good is not None
        step, good_step = trainer.global_step, state.good["step"]
        restore(state.good, trainer, style)
        state.suspect = 0
        name = f"{style.style_name}: " if len(self._states) > 1 else ""
        if state.returned >= (self.max_rollbacks if self.enabled else 0):
            path = run_folder(trainer) / "checkpoints" / "good.ckpt"
            trainer.save_checkpoint(path)
            message = self._stop_message(state, reason, step, good_step, path, style.learning_rate)
            raise TrainingDivergedError(name + message)
        state.returned += 1
        rate = lower_rate(trainer, style, self.rate_drop)
        if not trainer.is_global_zero:
            return
        log.warning(
            "%sStep %d: %s; back to step %d, with a peak learning rate of %.3g from here on (rollback %d of %d).",
            *(name, step, reason, good_step, rate, state.returned, self.max_rollbacks),
        )

    def _stop_message(self, state: GuardState, reason: str, step: int, good_step: int, path: Path, rate: float) -> str:
        """The sentence that a run stops with."""
        often = f" after {state.returned} rollback(s) to a lower learning rate" if state.returned else ""
        remedy = f"a --model.learning_rate below {rate * self.rate_drop**state.returned:.2g}"
        if good_step == 0:
            return f"{reason} at step {step}{often}, and nothing good came before: start again with {remedy}."
        return (
            f"{reason} at step {step}{often}: what was good at step {good_step} is kept; go on from it with"
            f" --init {path} and {remedy}."
        )
