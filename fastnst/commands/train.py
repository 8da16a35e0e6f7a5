"""`fastnst train PAINTING --photos DIR`: a style from a painting and photos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, LearningRateMonitor
from pytorch_lightning.cli import LightningArgumentParser

from fastnst.errors import ConfigError
from fastnst.trainer.lightning_cli import TrainingCLI, TrainingCommand, run_training
from fastnst.trainer.progress import training_progress
from fastnst.trainer.training_parser import ALL_HELP_FLAG
from fastnst.trainer.trusted_names import TRUST_FLAG
from fastnst.training.data import PhotoData
from fastnst.training.divergence_guard import Guards
from fastnst.training.first_picture import FirstPicture
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
            help="training photos: a folder, a .parquet file or folder, a hub dataset, or sample (eight that ship)",
        )
        parser.add_argument("--name", type=str, default="", help="name of the style (default: the painting's file)")
        parser.add_argument(
            "--export", type=bool, default=False, help="at the end, write the style model file and a restyled photo"
        )
        parser.add_argument("--perceptual", type=str, default="vgg19", help="the perceptual network")
        parser.add_argument("--perceptual-weights", type=str | None, default=None, help="a local weights file for it")
        parser.add_argument("--steps", type=int, default=10000, help="training steps")
        parser.add_argument("--init", type=str | None, default=None, help="start from this trained network")
        parser.add_lightning_class_args(Guards, "guards")
        super().add_arguments_to_parser(parser)

    def before_instantiate_classes(self) -> None:
        """Name a style after its painting where no name was given."""
        config = self.config
        if not config.name:
            config.name = config.model.name = style_name(config.painting)
        super().before_instantiate_classes()

    def instantiate_trainer(self, **options: Any) -> pl.Trainer:
        """Guards come after the previews, which show what they measure, and before the checkpoints."""
        trainer: Any = super().instantiate_trainer(**options)
        trainer.callbacks.append(Finish(exports=self.config.export))
        if self.config.export:
            trainer.callbacks.append(FirstPicture())
        trainer.callbacks.sort(key=lambda one: (isinstance(one, Checkpoint), isinstance(one, Guards)))
        return cast(pl.Trainer, trainer)


def watchers() -> list[pl.Callback]:
    """The callbacks that watch every training of a style."""
    return [
        training_progress(),
        LearningRateMonitor("step"),
        Throughput(),
        Previews(),
    ]


SUMMARY = (
    "Train a style: a small network learns to restyle photos in the manner of one painting (or of several, as one"
    " style). A recipe sets the rest: quickstart, which is taken where a painting stands alone, takes minutes and"
    " downloads nothing; style is the one of the styles that ship. The run's folder, runs/NAME/version_0, holds"
    " previews, checkpoints to go on from with --ckpt_path, and the trained NAME.safetensors, which fastnst export"
    " turns into a style model file (the quick start does that itself)."
)
_USAGE = "fastnst train PAINTING [PAINTING ...] [--photos DIR] [--config RECIPE] [--name NAME] [options]"
# With no more than these the quick start is meant.
_QUICK_START_OPTIONS = {"--painting", "--photos", "--name", "--steps", "--trainer.default_root_dir"}
_FLAGS = {"-h", "--help", ALL_HELP_FLAG, TRUST_FLAG, "--print_config"}


def command() -> TrainingCommand:
    """This command among the trainings."""
    return TrainingCommand(StyleCLI, StyleTraining, PhotoData, SUMMARY, _USAGE, {"callbacks": watchers()})


def main(argv: list[str], prog: str = "fastnst train") -> int:
    """Run the command line; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    if any(one.split("=")[0] == "--styles" for one in argv):
        from fastnst.commands import train_styles

        run_training(train_styles.command(), argv[1:] if argv[:1] == ["fit"] else argv, prog)
        return 0
    run_training(command(), with_recipe(with_paintings(argv)), prog)
    return 0


def with_recipe(argv: Sequence[str]) -> list[str]:
    """The command line with the quick start's recipe where it has none, and says nothing but what to paint like."""
    says_more = any(one.startswith("-") and one.split("=")[0] not in _QUICK_START_OPTIONS for one in argv)
    return [*argv] if says_more or "--painting" not in argv else ["--config", "quickstart", *argv]


def style_name(paintings: Sequence[str]) -> str:
    """A style's name from its paintings' files: `van-gogh_olive-grove.jpg` is `van_gogh_olive_grove`."""
    found = re.sub(r"[^a-z0-9]+", "_", Path(paintings[0]).stem.lower()).strip("_")[:60] if paintings else ""
    return found or "mine"


def with_paintings(argv: Sequence[str]) -> list[str]:
    """The command line with the paintings that stand in it by themselves put behind `--painting`.

    A leading `fit`, LightningCLI's name for the only thing that is done here, is left out.
    """
    paintings: list[str] = []
    others: list[str] = []
    values = 0.0  # how many the last option still takes
    for argument in argv[1:] if argv[:1] == ["fit"] else argv:
        if argument.startswith("-") and not re.fullmatch(r"-\.?\d.*", argument):
            several = argument == "--painting"
            values = float("inf") if several else 0 if "=" in argument or argument in _FLAGS else 1
            others.append(argument)
        elif values:
            values -= 1
            others.append(argument)
        else:
            paintings.append(argument)
    if paintings and any(one.split("=")[0] == "--painting" for one in others):
        raise ConfigError(f"paintings are given twice, by --painting and as {paintings[0]}: give them once.")
    return [*others, "--painting", *paintings] if paintings else others
