"""What every training command shares: LightningCLI with one-sentence errors, run folders and checkpoints."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any, ClassVar, cast

import pytorch_lightning as pl
import torch
from jsonargparse import Namespace
from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from fastnst.errors import ConfigError, suggest
from fastnst.hardware import bf16_is_fast, default_device, keep_freed_memory
from fastnst.recipes import with_bases


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


class TrainingCLI(LightningCLI):
    """LightningCLI whose everyday options stand at the top, linked to where they belong.

    A subclass lists the links in `top_options` and declares the options in `add_arguments_to_parser`.
    """

    top_options: ClassVar[dict[str, str]] = {}

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Only `fit`: validation runs along with it, and what was trained is used elsewhere."""
        return {"fit": LightningCLI.subcommands()["fit"]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare what all trainings have, and link the top-level options."""
        parser.add_argument("--base", type=str | None, default=None, help="in a YAML file: the file that it changes")
        parser.add_argument("--checkpoint_every", type=int, default=500, help="steps between two checkpoints")
        for source, target in self.top_options.items():
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
        """Give every run its own folder and logger, named after what is trained."""
        config = self.config[self.subcommand]
        config.base = None  # the configuration that the run's folder keeps is whole
        if config.get("ckpt_path") and not Path(config.ckpt_path).is_file():
            raise ConfigError(f"the checkpoint {config.ckpt_path} to resume from does not exist.")
        if config.trainer.logger is None or config.trainer.logger is True:
            config.trainer.logger = Namespace(
                class_path="pytorch_lightning.loggers.TensorBoardLogger",
                init_args=Namespace(save_dir=config.trainer.default_root_dir or "runs", name=config.name),
            )

    def after_instantiate_classes(self) -> None:
        """Find the data before anything is written, so that a wrong folder leaves nothing behind."""
        self.datamodule.setup("fit")


def default_precision() -> str:
    """bf16 autocast where the hardware gains from it, float32 elsewhere."""
    return "bf16-mixed" if bf16_is_fast(default_device()) else "32-true"


def run_training(
    cli: type[TrainingCLI],
    module: type[pl.LightningModule],
    data: type[pl.LightningDataModule],
    argv: list[str],
    prog: str,
    trainer_defaults: dict[str, Any],
) -> int:
    """Run a training command; raises `FastNSTError` for what a user can get wrong, `KeyboardInterrupt` after Ctrl-C."""
    _quiet()
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")
    try:
        cli(
            module,
            data,
            args=with_bases(argv),
            parser_class=Parser,
            parser_kwargs={"prog": prog},
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            trainer_defaults={
                "check_val_every_n_epoch": None,
                "val_check_interval": 500,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 10,
                "gradient_clip_val": 10.0,
                "use_distributed_sampler": False,
                "enable_model_summary": False,
                **trainer_defaults,
            },
        )
    except SystemExit as stop:  # Lightning's way to end after Ctrl-C
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return 0


def run_folder(trainer: pl.Trainer) -> Path:
    """The run's folder. All ranks must ask: Lightning broadcasts the answer of the first."""
    return Path(trainer.log_dir or trainer.default_root_dir)


def _quiet() -> None:
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
