"""`train.py fit`: a style from a painting and photos."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser

from fastnst.trainer.lightning_cli import Progress, TrainingCLI, run_training
from fastnst.training.data import PhotoData
from fastnst.training.divergence_guard import Guards
from fastnst.training.module import StyleTraining
from fastnst.training.previews import Finish, Previews, Throughput


class StyleCLI(TrainingCLI):
    """The command line of `StyleTraining` and `PhotoData`."""

    top_options: ClassVar[dict[str, str]] = {
        "painting": "model.paintings",
        "photos": "data.photos",
        "name": "model.name",
        "perceptual": "model.perceptual.name",
        "perceptual_weights": "model.perceptual.weights_file",
        "steps": "trainer.max_steps",
        "init": "model.init",
    }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the top-level options and the defaults of a training."""
        parser.add_argument("--painting", type=str, nargs="+", default=[], help="picture file(s) of the style")
        parser.add_argument(
            "--photos",
            type=str,
            default="detection-datasets/coco",
            help="training photos: a folder, a .parquet file or folder, or a dataset of the hub",
        )
        parser.add_argument("--name", type=str, default="mine", help="name of the style")
        parser.add_argument("--perceptual", type=str, default="vgg19", help="the network that judges")
        parser.add_argument("--perceptual-weights", type=str | None, default=None, help="a local weights file for it")
        parser.add_argument("--steps", type=int, default=10000, help="training steps")
        parser.add_argument("--init", type=str | None, default=None, help="start from this trained network")
        parser.add_lightning_class_args(Guards, "guards")
        super().add_arguments_to_parser(parser)

    def instantiate_trainer(self, **options: Any) -> pl.Trainer:
        """Guards come after the previews, which show what they judge, and before the checkpoints."""
        trainer: Any = super().instantiate_trainer(**options)
        trainer.callbacks.sort(key=lambda one: (isinstance(one, ModelCheckpoint), isinstance(one, Guards)))
        return cast(pl.Trainer, trainer)


def watchers() -> list[pl.Callback]:
    """What watches every training of a style."""
    return [
        Progress(leave=True),
        LearningRateMonitor("step"),
        Throughput(),
        Previews(),
        Finish(),
    ]


def main(argv: list[str], prog: str = "fastnst train") -> int:
    """Run the command line; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    return run_training(StyleCLI, StyleTraining, PhotoData, argv, prog, {"callbacks": watchers()})
