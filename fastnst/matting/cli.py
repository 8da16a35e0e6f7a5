"""`fastnst train-matting`: LightningCLI for the matting network, with the few options that everyone sets at the top."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from jsonargparse import Namespace
from PIL import Image
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger

from fastnst.errors import ConfigError
from fastnst.hardware import keep_freed_memory
from fastnst.images import save_image
from fastnst.matting.data import PortraitData
from fastnst.matting.training import MattingTraining, split
from fastnst.matting.weights import save_matting
from fastnst.sheets import contact_sheet
from fastnst.training.cli import Parser, Progress, _quiet, default_precision
from fastnst.training.previews import Throughput

log = logging.getLogger(__name__)

_TOP_OPTIONS = {
    "portraits": "data.portraits",
    "val_portraits": "data.val_portraits",
    "backgrounds": "data.backgrounds",
    "name": "model.name",
    "steps": "trainer.max_steps",
    "init": "model.init",
}


class Previews(pl.Callback):
    """At each validation, held-out portraits, what is found, and the true mattes; to TensorBoard and a file."""

    def __init__(self, portraits: int = 8) -> None:
        self.portraits = portraits

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the sheet (on the first rank)."""
        run = Path(trainer.log_dir or trainer.default_root_dir)
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


class Finish(pl.Callback):
    """Write the trained network as .safetensors at the end or after Ctrl-C, and say what comes next."""

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """After Ctrl-C, keep what was reached: a checkpoint to go on from, and the network as it is."""
        if not isinstance(exception, KeyboardInterrupt) or trainer.global_step == 0:
            return
        checkpoint = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints" / "last.ckpt"
        trainer.save_checkpoint(checkpoint)
        self.on_fit_end(trainer, pl_module)
        if trainer.is_global_zero:
            log.info("Interrupted at step %d; go on with --ckpt_path %s", trainer.global_step, checkpoint)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, on the first rank, what the training reached."""
        run = Path(trainer.log_dir or trainer.default_root_dir)
        if not trainer.is_global_zero or trainer.global_step == 0:
            return
        module = cast(MattingTraining, pl_module)
        path = run / f"{module.matting_name}.safetensors"
        save_matting(module.network, module.metadata(), path, overwrite=True)
        log.info(
            "Trained %s for %d steps: %s\nNext:\n  fastnst export %s -o %s.onnx --precision fp16\n"
            "  fastnst matte PHOTO --matting-model %s.onnx -o out.png",
            *(module.matting_name, trainer.global_step, path, path, module.matting_name, module.matting_name),
        )


class MattingCLI(LightningCLI):
    """LightningCLI for `MattingTraining` and `PortraitData`, with top-level options linked to where they belong."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Only `fit`."""
        return {"fit": LightningCLI.subcommands()["fit"]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the top-level options and the defaults of a training."""
        parser.add_argument("--portraits", type=str, required=True, help="folder with image/ and matte/")
        parser.add_argument("--val-portraits", type=str, required=True, help="held-out pairs in the same form")
        parser.add_argument("--backgrounds", type=str | None, default=None, help="folder of other photos")
        parser.add_argument("--name", type=str, default="mine", help="name of the network")
        parser.add_argument("--steps", type=int, default=10000, help="training steps")
        parser.add_argument("--init", type=str | None, default=None, help="start from this checkpoint, or MODNet's")
        parser.add_argument("--checkpoint_every", type=int, default=500, help="steps between two checkpoints")
        for source, target in _TOP_OPTIONS.items():
            parser.link_arguments(source, target)
        parser.set_defaults({"trainer.precision": default_precision()})

    def instantiate_trainer(self, **options: Any) -> pl.Trainer:
        """Lightning's trainer, keeping the two latest checkpoints and `last.ckpt` in the run's folder."""
        trainer: Any = super().instantiate_trainer(**options)
        keeper = ModelCheckpoint(
            every_n_train_steps=self.config[self.subcommand].checkpoint_every,
            filename="{step:06d}",
            auto_insert_metric_name=False,
            monitor="step",
            mode="max",
            save_top_k=2,
            save_last=True,
        )
        trainer.callbacks = [*(one for one in trainer.callbacks if not isinstance(one, ModelCheckpoint)), keeper]
        return cast(pl.Trainer, trainer)

    def before_instantiate_classes(self) -> None:
        """Give every run its own folder and logger."""
        config = self.config[self.subcommand]
        if config.get("ckpt_path") and not Path(config.ckpt_path).is_file():
            raise ConfigError(f"the checkpoint {config.ckpt_path} to resume from does not exist.")
        if config.trainer.logger is None or config.trainer.logger is True:
            config.trainer.logger = Namespace(
                class_path="pytorch_lightning.loggers.TensorBoardLogger",
                init_args=Namespace(save_dir=config.trainer.default_root_dir or "runs", name=config.name),
            )

    def after_instantiate_classes(self) -> None:
        """Find the portraits before anything is written."""
        self.datamodule.setup("fit")


def main(argv: list[str], prog: str = "fastnst train-matting") -> int:
    """Run the command line; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    _quiet()
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")
    try:
        MattingCLI(
            MattingTraining,
            PortraitData,
            args=["fit", *argv],
            parser_class=Parser,
            parser_kwargs={"prog": prog},
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            trainer_defaults={
                "callbacks": [Progress(leave=True), LearningRateMonitor("step"), Throughput(), Previews(), Finish()],
                "check_val_every_n_epoch": None,
                "val_check_interval": 500,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 10,
                "gradient_clip_val": 1.0,
                "use_distributed_sampler": False,
                "enable_model_summary": False,
            },
        )
    except SystemExit as stop:  # Lightning's way to end after Ctrl-C
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return 0
