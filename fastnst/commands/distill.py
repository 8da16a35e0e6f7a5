"""`fastnst distill`: train the perceptual network that ships, from a teacher, photos and paintings."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import ClassVar, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.cli import LightningArgumentParser

import fastnst
from fastnst.distillation.data import PairData
from fastnst.distillation.module import Distillation
from fastnst.errors import ConfigError
from fastnst.input_files import expanded
from fastnst.perceptual.slim import save_slim
from fastnst.trainer.lightning_cli import TrainingCLI, TrainingCommand, run_training
from fastnst.trainer.progress import training_progress
from fastnst.trainer.run_files import run_folder
from fastnst.training.previews import Throughput

log = logging.getLogger(__name__)


class DistillCLI(TrainingCLI):
    """The command line of `Distillation` and `PairData`."""

    top_options: ClassVar[dict[str, str]] = {
        "photos": "data.photos",
        "paintings": "data.paintings",
        "perceptual_weights": "model.teacher.weights_file",
        "steps": "trainer.max_steps",
    }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the top-level options."""
        parser.add_argument("--photos", type=str, required=True, help="folder of photos")
        parser.add_argument("--paintings", type=str, required=True, help="folder of paintings")
        parser.add_argument("--name", type=str, default="slim", help="name of the run's folder")
        parser.add_argument("--perceptual-weights", type=str | None, default=None, help="the teacher's local weights")
        parser.add_argument("--steps", type=int, default=6000, help="training steps")
        super().add_arguments_to_parser(parser)

    def before_instantiate_classes(self) -> None:
        """Look for the folders before the teacher is downloaded."""
        config = self.config
        for kind in ("photos", "paintings"):
            if not os.path.isdir(expanded(config[kind])):
                raise ConfigError(f"the folder of {kind} {config[kind]} does not exist.")
        super().before_instantiate_classes()


class FinishDistillation(pl.Callback):
    """Write the finished network at the end, or at Ctrl-C, and say how to use it."""

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """After Ctrl-C, keep what was reached."""
        if isinstance(exception, KeyboardInterrupt) and trainer.global_step > 0:
            checkpoint = run_folder(trainer) / "checkpoints" / "last.ckpt"
            trainer.save_checkpoint(checkpoint)
            self.on_fit_end(trainer, pl_module)
            log.info("Interrupted at step %d; go on with --ckpt_path %s", trainer.global_step, checkpoint)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what the training reached."""
        folder = run_folder(trainer)
        if not trainer.is_global_zero or trainer.global_step == 0:
            return
        module = cast(Distillation, pl_module)
        path = folder / "slim.safetensors"
        save_slim(module.student.finished(), _recipe(trainer, module), path)
        log.info(
            "Distilled %s for %d steps: %s\nUse it with --perceptual slim --perceptual-weights %s",
            *(module.teacher_name, trainer.global_step, path, path),
        )


def _recipe(trainer: pl.Trainer, module: Distillation) -> dict[str, object]:
    data = cast(PairData, trainer.datamodule)  # type: ignore[attr-defined]
    return {
        "teacher": module.teacher_name,
        "steps": trainer.global_step,
        "batch_size": data.batch_size,
        "image_size": data.image_size,
        "photos": Path(data.photos).name,
        "paintings": Path(data.paintings).name,
        "held_out": module.validated,
        "fastnst_version": fastnst.__version__,
    }


_SUMMARY = (
    "Distill the small perceptual network that ships from VGG-19, with photos and paintings to look at. The result,"
    " slim.safetensors, is used with --perceptual slim --perceptual-weights FILE."
)
_USAGE = "fastnst distill --photos DIR --paintings DIR [--config RECIPE] [options]"


def main(argv: list[str], prog: str = "fastnst distill") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    watchers = [training_progress(), LearningRateMonitor("step"), Throughput(), FinishDistillation()]
    # Gradients are part of the validation, so it cannot run in inference mode.
    defaults = {"callbacks": watchers, "inference_mode": False}
    run_training(TrainingCommand(DistillCLI, Distillation, PairData, _SUMMARY, _USAGE, defaults), argv, prog)
    return 0
