"""Shared parts of the training commands: LightningCLI with one-sentence errors, run folders and checkpoints."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import pytorch_lightning as pl
import torch
from jsonargparse import Namespace
from pytorch_lightning.callbacks import Checkpoint, LearningRateMonitor, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from fastnst.command_table import COMMANDS
from fastnst.errors import ConfigError, FastNSTError, OutputError
from fastnst.hardware import bf16_is_fast, default_device, keep_freed_memory
from fastnst.recipes import with_bases
from fastnst.trainer.option_groups import check_groups
from fastnst.trainer.run_files import (
    LatestCheckpoints,
    WholeCheckpoints,
    check_run_name,
    check_writable,
    discard_unbegun_run,
    full_disk_reported_once,
    has_begun,
    is_out_of_space,
    next_version,
    out_of_space,
    run_folder,
)
from fastnst.trainer.training_parser import (
    ALL_HELP_FLAG,
    AllHelpParser,
    Parser,
    check_trainer_options,
    check_training_recipe,
)
from fastnst.trainer.trusted_names import TRUST_FLAG, nameable
from fastnst.trainer.worker_errors import as_in_its_worker
from fastnst.user_config import config_file, user_defaults
from fastnst.verbosity import is_quiet

_MAX_STEPS = 10**9  # a century of training
_REFUSALS = (MisconfigurationException, ValueError, TypeError, ImportError)  # what Lightning refuses options with


class TrainingCLI(LightningCLI):
    """LightningCLI whose everyday options stand at the top, linked to where they belong.

    A subclass lists the links in `top_options` and declares the options in `add_arguments_to_parser`.
    """

    top_options: ClassVar[dict[str, str]] = {}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """The parser, with recipes by name."""
        parser = super().init_parser(**kwargs)
        config = next(action for action in parser._actions if action.dest == "config")
        config.metavar, config.help = "RECIPE", "a recipe: a .yaml file, or the name of one that ships (quickstart, …)"
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare what all trainings have, and link the top-level options."""
        parser.add_argument("--checkpoint_every", type=int, default=500, help="steps between two checkpoints")
        parser.add_argument("--ckpt_path", type=str | None, default=None, help="go on from this checkpoint (.ckpt)")
        for source, target in self.top_options.items():
            parser.link_arguments(source, target)
        parser.set_defaults({"trainer.precision": default_precision()})

    def instantiate_trainer(self, **options: Any) -> pl.Trainer:
        """Lightning's trainer, keeping the two latest checkpoints and `last.ckpt` in the run's folder.

        Checkpoint callbacks of the user's own are kept beside.
        """
        callbacks = self.config_init.trainer.callbacks or []
        callbacks = list(callbacks) if isinstance(callbacks, list) else [callbacks]
        if self.config_init.trainer.enable_checkpointing is not False:
            callbacks.append(LatestCheckpoints(self.config.checkpoint_every))
        if self.config_init.trainer.enable_progress_bar is False or is_quiet():
            ours = self.trainer_defaults["callbacks"]
            self.trainer_defaults["callbacks"] = [one for one in ours if not isinstance(one, ProgressBar)]
        if not any(isinstance(one, ProgressBar) for one in (*callbacks, *self.trainer_defaults["callbacks"])):
            options["enable_progress_bar"] = False  # or Lightning adds one of its own
        try:
            trainer: Any = super().instantiate_trainer(callbacks=callbacks, **options)
        except _REFUSALS as error:
            raise _refused(error) from error
        if not trainer.loggers:
            trainer.callbacks = [one for one in trainer.callbacks if not isinstance(one, LearningRateMonitor)]
        # Lightning wants the callbacks that write checkpoints last, and these see what the others did.
        trainer.callbacks.sort(key=lambda one: isinstance(one, Checkpoint))
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        return cast(pl.Trainer, trainer)

    def before_instantiate_classes(self) -> None:
        """Give every run its own folder and logger, named after what is trained."""
        config = self.config
        check_groups(self.parser, config)
        check_run_name(config.name)
        for name in ("steps", "checkpoint_every"):
            if not 1 <= config[name] <= _MAX_STEPS:
                raise ConfigError(f"{name} must be from 1 to {_MAX_STEPS:,}, not {config[name]}.")
        config.ckpt_path = config.ckpt_path or None
        if config.ckpt_path and not os.path.isfile(config.ckpt_path):
            raise ConfigError(f"the checkpoint {config.ckpt_path} to resume from does not exist.")
        check_trainer_options(config.trainer)
        batches = config.steps * config.trainer.accumulate_grad_batches
        if isinstance(config.trainer.val_check_interval, int) and config.trainer.val_check_interval > batches:
            config.trainer.val_check_interval = batches  # or a short training would never be measured
        root = config.trainer.default_root_dir or "runs"
        check_writable(Path(root))
        if config.trainer.logger is None or config.trainer.logger is True:
            config.trainer.logger = Namespace(
                class_path="pytorch_lightning.loggers.TensorBoardLogger",
                init_args=Namespace(save_dir=root, name=config.name),
            )
        elif config.trainer.logger is False:  # then nothing else makes a folder of the run's own
            config.trainer.default_root_dir = str(next_version(Path(root) / config.name))

    def _set_seed(self) -> None:
        """Seed everything; a seed that numpy does not take is a wrong option."""
        seed = self.config.seed_everything
        if not isinstance(seed, bool) and not 0 <= seed < 2**32:
            raise ConfigError(f"seed_everything must be from 0 to {2**32 - 1}, not {seed}.")
        super()._set_seed()

    def after_instantiate_classes(self) -> None:
        """Find the data before anything is written, so that a wrong folder leaves nothing behind."""
        self.datamodule.setup("fit")

    def fit(self) -> None:
        """Train."""
        self.trainer.fit(self.model, self.datamodule, ckpt_path=self.config.ckpt_path, weights_only=True)


def default_precision() -> str:
    """bf16 autocast where the hardware gains from it, float32 elsewhere."""
    return "bf16-mixed" if bf16_is_fast(default_device()) else "32-true"


@dataclass(frozen=True)
class TrainingCommand:
    """The differences between one training command and another.

    Attributes:
        cli: its command line.
        module: what learns.
        data: from what.
        summary: what the command does, for its help.
        usage: its arguments, for its help.
        trainer_defaults: what its trainer has beside what all have.
        mend: brings a recipe's content into its form, in place.
    """

    cli: type[TrainingCLI]
    module: type[pl.LightningModule]
    data: type[pl.LightningDataModule]
    summary: str
    usage: str
    trainer_defaults: dict[str, Any]
    mend: Callable[[dict[str, Any]], None] = lambda _content: None


def run_training(command: TrainingCommand, argv: Sequence[str], prog: str) -> TrainingCLI:
    """Run a training to its end, as a command line asks for it.

    Raises `FastNSTError` for what a user can get wrong and for a full disk, `KeyboardInterrupt` after Ctrl-C.
    """
    arguments = [argument for argument in argv if argument not in (TRUST_FLAG, ALL_HELP_FLAG)]
    if ALL_HELP_FLAG in argv:
        arguments.append("--help")

    def check(content: dict[str, Any], path: Path) -> None:
        check_training_recipe(content, path)
        command.mend(content)

    expanded = [*_user_defaults(prog), *with_bases(arguments, check)]
    parser = AllHelpParser if ALL_HELP_FLAG in argv else Parser
    return _run(command, expanded, prog, parser, expanded if TRUST_FLAG in argv else ())


def _user_defaults(prog: str) -> list[str]:
    """The user's own defaults for this command, as a configuration that all others win over."""
    import yaml

    defaults = user_defaults(prog.removeprefix("fastnst "), list(COMMANDS))
    if not defaults:
        return []
    check_training_recipe(defaults, config_file() or Path())
    return [f"--config={yaml.safe_dump(defaults)}"]


def train_with(command: TrainingCommand, settings: dict[str, Any]) -> TrainingCLI:
    """Run a training to its end with settings as a recipe has them, nested; raises as `run_training` does."""
    check_training_recipe(settings, Path("settings"))
    return _run(command, settings, "train", Parser, ())


def _run(
    command: TrainingCommand,
    arguments: list[str] | dict[str, Any],
    prog: str,
    parser: type[Parser],
    trusted: Iterable[str],
) -> TrainingCLI:
    _quiet()
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")
    with nameable(trusted):
        cli = command.cli(
            command.module,
            command.data,
            args=arguments,
            run=False,
            auto_configure_optimizers=False,
            parser_class=parser,
            parser_kwargs={"prog": prog, "description": command.summary, "usage": command.usage},
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
                **command.trainer_defaults,
            },
        )
        return _fitted(cli)


def _fitted(cli: TrainingCLI) -> TrainingCLI:
    """Train, and turn what ends a training without being a bug into one sentence."""
    try:
        with full_disk_reported_once():
            cli.fit()
    except SystemExit as stop:  # Lightning's way to end after Ctrl-C
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    except Exception as error:
        step = cli.trainer.global_step
        left = out_of_space(run_folder(cli.trainer), step) if is_out_of_space(error) else None
        discard_unbegun_run(cli.trainer)
        if left is not None:
            raise OutputError(left) from error
        if isinstance(error, MisconfigurationException):
            raise _refused(error) from error
        if isinstance(error, FastNSTError):
            raise as_in_its_worker(error) from None
        if cli.config.ckpt_path and not has_begun(cli.trainer):
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            raise ConfigError(
                f"the checkpoint {cli.config.ckpt_path} is not one of this training, or it is damaged ({reason})."
            ) from error
        raise
    return cli


def _refused(error: Exception) -> ConfigError:
    """Lightning's refusal of an option, on one line."""
    text = " ".join(str(error).split()).replace("`", "'").rstrip(".")
    return ConfigError(f"the trainer cannot be set up: {text[:400]}.")


def _quiet() -> None:
    """Show our own messages and hide what a user cannot act on."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # between Lightning and jsonargparse
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for name in ("pytorch_lightning", "lightning_fabric", "huggingface_hub", "datasets", "httpx", "fsspec", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
        logging.getLogger(name).propagate = False
    for message in (
        "The dirpath has changed",  # a resumed run gets a folder of its own
        ".*smaller than the logging interval",
        "LightningCLI's args parameter",  # it is ours to pass
        ".*LeafSpec.*",  # between Lightning and torch
        ".*in eval mode at the start of training",  # the perceptual network, on purpose
        "Using ModelCheckpoint with manual optimization",  # after the step is when ours are saved
        ".*callbacks used to create the checkpoint",  # with another --checkpoint_every: ours have nothing to restore
        ".*dataloader is not resumable",  # ours starts at the step that the checkpoint reached
        ".*does not have many workers",
        ".*`IterableDataset` has `__len__`",
    ):
        warnings.filterwarnings("ignore", message=message)
