"""`train.py fit`: LightningCLI with the few options that everyone sets at the top."""

from __future__ import annotations

import logging
import re
import sys

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
    text = " ".join(message.split())
    match = re.search(r"""(?:Key|Option|Unrecognized arguments:|option)\s*['"]?(?:--)?([\w.]+)['"]?""", text)
    known = [action.dest for action in parser._actions] + list(_TOP_OPTIONS)
    hint = suggest(match[1], known) if match else ""
    return f"{text.rstrip('.')}.{hint}"


class Parser(LightningArgumentParser):
    """Ends with one sentence instead of a page of usage."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Raise `ConfigError`; a misspelt key names the nearest that exists."""
        raise ConfigError(_one_sentence(message, self))


class StyleCLI(LightningCLI):
    """LightningCLI for `StyleTraining` and `PhotoData`, with top-level options linked to where they belong."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the top-level options and the defaults of a training."""
        parser.add_argument("--painting", type=str, nargs="+", help="picture file(s) of the style")
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
        for source, target in _TOP_OPTIONS.items():
            parser.link_arguments(source, target)
        parser.set_defaults({"trainer.precision": default_precision()})

    def before_instantiate_classes(self) -> None:
        """Give every run its own folder and logger, named after the style."""
        config = self.config[self.subcommand]
        if config.trainer.logger is None or config.trainer.logger is True:
            config.trainer.logger = Namespace(
                class_path="pytorch_lightning.loggers.TensorBoardLogger",
                init_args=Namespace(save_dir=config.trainer.default_root_dir or "runs", name=config.name),
            )


def default_precision() -> str:
    """bf16 autocast where the hardware gains from it, float32 elsewhere."""
    return "bf16-mixed" if bf16_is_fast(default_device()) else "32-true"


def callbacks(checkpoint_every: int = 500) -> list[pl.Callback]:
    """What watches every training; checkpoints are kept in the run's folder, the last two and `last.ckpt`."""
    return [
        RichProgressBar(),
        LearningRateMonitor("step"),
        Throughput(),
        Previews(),
        ModelCheckpoint(
            every_n_train_steps=checkpoint_every,
            save_last=True,
            save_top_k=2,
            monitor="step",
            mode="max",
            filename="{step:06d}",
            auto_insert_metric_name=False,
        ),
        Finish(),
    ]


def main(argv: list[str], prog: str = "fastnst train") -> int:
    """Run the command line; raises `FastNSTError` for what a user can get wrong."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")
    StyleCLI(
        StyleTraining,
        PhotoData,
        args=argv,
        parser_class=Parser,
        parser_kwargs={"prog": prog},
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
        trainer_defaults={
            "callbacks": callbacks(),
            "check_val_every_n_epoch": None,
            "val_check_interval": 500,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 10,
            "gradient_clip_val": 10.0,
            "use_distributed_sampler": False,
            "enable_model_summary": False,
        },
    )
    return 0
