"""`fastnst train-matting`: LightningCLI for the matting network, with the few options that everyone sets at the top."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, cast

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.loggers import TensorBoardLogger

from fastnst.contact_sheet import contact_sheet
from fastnst.images.encode import save_image
from fastnst.matting.data import PortraitData
from fastnst.matting.training import MattingTraining, split
from fastnst.matting.weights import save_matting
from fastnst.trainer.lightning_cli import TrainingCLI, TrainingCommand, run_training
from fastnst.trainer.progress import training_progress
from fastnst.trainer.run_files import run_folder
from fastnst.training.previews import Finish, Throughput

log = logging.getLogger(__name__)


class MattingPreviews(pl.Callback):
    """At each validation, held-out portraits, what is found, and the true mattes; to TensorBoard and a file."""

    def __init__(self, portraits: int = 8) -> None:
        self.portraits = portraits

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the sheet (on the first rank)."""
        run = run_folder(trainer)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        module, data = cast(MattingTraining, pl_module), cast(PortraitData, cast(Any, trainer).datamodule)
        held_out = data.val_dataset
        chosen = np.unique(np.linspace(0, len(held_out) - 1, self.portraits).round().astype(int))
        batch = torch.stack([held_out[int(index)] for index in chosen])
        found = module(split(batch.to(module.device))[0]).float().cpu()
        rows = []
        for sample, alpha in zip(batch, found, strict=True):
            predicted = Image.fromarray((alpha[0] * 255).round().to(torch.uint8).numpy())
            photo = Image.fromarray(sample[:3].permute(1, 2, 0).numpy())
            rows.append([(photo, ""), (predicted, ""), (Image.fromarray(sample[3].numpy()), "")])
        half = (len(rows) + 1) // 2
        wide = [row + other for row, other in zip(rows[:half], [*rows[half:], []][:half], strict=True)]
        sheet = contact_sheet(wide, cell=160, title=f"step {trainer.global_step}: photo, found, true")
        save_image(sheet, run / "previews" / f"step_{trainer.global_step:06d}.jpg", overwrite=True)
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.experiment.add_image("previews", np.asarray(sheet), trainer.global_step, dataformats="HWC")


class FinishMatting(Finish):
    """Write the trained network as .safetensors at the end or after Ctrl-C, and say what comes next."""

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, on the first rank, what the training reached."""
        run = run_folder(trainer)
        if not trainer.is_global_zero or trainer.global_step == 0:
            return
        module = cast(MattingTraining, pl_module)
        path = run / f"{module.matting_name}.safetensors"
        save_matting(module.network, module.metadata(), path, overwrite=True)
        log.info(
            "Trained %s for %d steps: %s\nNext:\n  fastnst export %s -o %s.onnx\n"
            "  fastnst matte PHOTO --matting-model %s.onnx -o out.png",
            *(module.matting_name, trainer.global_step, path, path, module.matting_name, module.matting_name),
        )


class MattingCLI(TrainingCLI):
    """The command line of `MattingTraining` and `PortraitData`."""

    top_options: ClassVar[dict[str, str]] = {
        "portraits": "data.portraits",
        "val_portraits": "data.val_portraits",
        "backgrounds": "data.backgrounds",
        "name": "model.name",
        "steps": "trainer.max_steps",
        "init": "model.init",
    }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the top-level options."""
        parser.add_argument("--portraits", type=str, required=True, help="folder with image/ and matte/")
        parser.add_argument("--val-portraits", type=str, required=True, help="held-out pairs in the same form")
        parser.add_argument("--backgrounds", type=str | None, default=None, help="folder of other photos")
        parser.add_argument("--name", type=str, default="mine", help="name of the network")
        parser.add_argument("--steps", type=int, default=10000, help="training steps")
        parser.add_argument("--init", type=str | None, default=None, help="start from this checkpoint, or MODNet's")
        super().add_arguments_to_parser(parser)


_SUMMARY = (
    "Train the network that finds people: pairs of photo and matte (DIR/image/*, DIR/matte/*, the same base names), put"
    " before other photos, teach it where a person ends. fastnst export turns the result into a matting model."
)
_USAGE = "fastnst train-matting --portraits DIR --val-portraits DIR [--backgrounds DIR] [--config RECIPE] [options]"


def main(argv: list[str], prog: str = "fastnst train-matting") -> int:
    """Run the command line; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    watchers = [training_progress(), LearningRateMonitor("step"), Throughput(), MattingPreviews(), FinishMatting()]
    defaults = {"callbacks": watchers, "gradient_clip_val": 1.0}
    run_training(TrainingCommand(MattingCLI, MattingTraining, PortraitData, _SUMMARY, _USAGE, defaults), argv, prog)
    return 0
