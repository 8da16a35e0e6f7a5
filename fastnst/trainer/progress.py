"""Progress of a training: a bar on a terminal, elsewhere a line every few seconds, with the time that is left."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl
import rich
from pytorch_lightning.callbacks import RichProgressBar

log = logging.getLogger(__name__)

_LINE_SECONDS = 5.0  # between two lines at first; a long training gets fewer
_MAX_LINES = 100


def training_progress() -> pl.Callback:
    """A bar where standard output is a terminal or a notebook; lines elsewhere, where Rich draws its bar at the end."""
    console = rich.get_console()
    return Bar(leave=True) if console.is_interactive or console.is_jupyter else ProgressLines()


class Bar(RichProgressBar):
    """Lightning's bar without its epochs: a training here is one endless epoch."""

    def _get_train_description(self, _epoch: int) -> str:
        return "training"

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The total alone: with more of them the bar has no room on a line of 80 letters."""
        found = super().get_metrics(trainer, pl_module)
        return {name.removeprefix("train/"): value for name, value in found.items() if name == "train/total"}


class ProgressLines(pl.Callback):
    """Log `step 120/800, 25 s left`.

    Args:
        seconds: between two lines, at least; more where a training takes longer than a hundred of them.
    """

    def __init__(self, seconds: float = _LINE_SECONDS) -> None:
        self.seconds = seconds
        self._begun = self._reported = 0.0
        self._first = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._begun = self._reported = time.monotonic()
        self._first = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell where the training is, once in a while."""
        now, done = time.monotonic(), trainer.global_step - self._first
        if not trainer.is_global_zero or done < 1 or trainer.max_steps < 1:
            return
        whole = (now - self._begun) / done * (trainer.max_steps - self._first)
        if now - self._reported >= max(self.seconds, whole / _MAX_LINES):
            self._reported = now
            left = whole - (now - self._begun)
            log.info("step %d/%d, %s left", trainer.global_step, trainer.max_steps, duration(left))


def duration(seconds: float) -> str:
    """`50 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
