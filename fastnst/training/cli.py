"""`train.py fit`: LightningCLI with the few options that everyone sets at the top."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from jsonargparse import Namespace
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint, RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from fastnst.errors import ConfigError, suggest
from fastnst.hardware import bf16_is_fast, default_device, keep_freed_memory
from fastnst.training.data import PhotoData
from fastnst.training.module import StyleTraining
from fastnst.training.previews import Finish, Previews, Throughput

_TOP_OPTIONS = {
    "painting": "model.paintings",
    "photos": "data.photos",
    "name": "model.name",
    "perceptual": "model.perceptual.name",
    "perceptual_weights": "model.perceptual.weights_file",
    "steps": "trainer.max_steps",
    "init": "model.init",
}


def _one_sentence(message: str, parser: LightningArgumentParser) -> str:
    """jsonargparse's message on one line, with the nearest key for one that does not exist."""
    text = " ".join(message.split()).rstrip(".")
    match = re.search(r"(?:unrecognized arguments:|accept option|[Kk]ey|does not exist:?) ['\"]?(?:--)?([\w.-]+)", text)
    return f"{text}.{suggest(match[1], _known_keys(parser)) if match else ''}"


def _known_keys(parser: LightningArgumentParser) -> list[str]:
    """The keys that may be set, those of the subcommands included."""
    keys: list[str] = []
    for action in parser._actions:
        keys.append(action.dest)
        if isinstance(action.choices, dict):
            for subparser in action.choices.values():
                keys += [option.dest for option in subparser._actions]
    return keys


class Parser(LightningArgumentParser):
    """Ends with one sentence instead of a page of usage."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Raise `ConfigError`; a misspelt key names the nearest that exists."""
        raise ConfigError(_one_sentence(message, self))


class Progress(RichProgressBar):
    """Lightning's bar without its epochs: a training here is one endless epoch."""

    def _get_train_description(self, _epoch: int) -> str:
        return "training"


class StyleCLI(LightningCLI):
    """LightningCLI for `StyleTraining` and `PhotoData`, with top-level options linked to where they belong."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Only `fit`: validation runs along with it, and restyling is the exported model's business."""
        return {"fit": LightningCLI.subcommands()["fit"]}

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
        """Give every run its own folder and logger, named after the style."""
        config = self.config[self.subcommand]
        if config.get("ckpt_path") and not Path(config.ckpt_path).is_file():
            raise ConfigError(f"the checkpoint {config.ckpt_path} to resume from does not exist.")
        if config.trainer.logger is None or config.trainer.logger is True:
            config.trainer.logger = Namespace(
                class_path="pytorch_lightning.loggers.TensorBoardLogger",
                init_args=Namespace(save_dir=config.trainer.default_root_dir or "runs", name=config.name),
            )

    def after_instantiate_classes(self) -> None:
        """Find the photos before anything is written, so that a wrong folder leaves nothing behind."""
        self.datamodule.setup("fit")


def default_precision() -> str:
    """bf16 autocast where the hardware gains from it, float32 elsewhere."""
    return "bf16-mixed" if bf16_is_fast(default_device()) else "32-true"


def watchers() -> list[pl.Callback]:
    """What watches every training."""
    return [
        Progress(leave=True),
        LearningRateMonitor("step"),
        Throughput(),
        Previews(),
        Finish(),
    ]


def main(argv: list[str], prog: str = "fastnst train") -> int:
    """Run the command line; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    quiet_libraries()
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")
    try:
        StyleCLI(
            StyleTraining,
            PhotoData,
            args=argv,
            parser_class=Parser,
            parser_kwargs={"prog": prog},
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            trainer_defaults={
                "callbacks": watchers(),
                "check_val_every_n_epoch": None,
                "val_check_interval": 500,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 10,
                "gradient_clip_val": 10.0,
                "use_distributed_sampler": False,
                "enable_model_summary": False,
            },
        )
    except SystemExit as stop:  # Lightning's way to end after Ctrl-C
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return 0


def quiet_libraries() -> None:
    """Show our own messages and hide what a user cannot act on."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # between Lightning and jsonargparse
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in ("pytorch_lightning", "huggingface_hub", "datasets", "httpx", "fsspec", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).propagate = False
    for message in (
        "The dirpath has changed",  # a resumed run gets a folder of its own
        ".*smaller than the logging interval",
        "LightningCLI's args parameter",  # it is ours to pass
        ".*LeafSpec.*",  # between Lightning and torch
        ".*in eval mode at the start of training",  # the judge, on purpose
        ".*dataloader is not resumable",  # ours starts at the step that the checkpoint reached
        ".*does not have many workers",
        ".*`IterableDataset` has `__len__`",
    ):
        warnings.filterwarnings("ignore", message=message)
