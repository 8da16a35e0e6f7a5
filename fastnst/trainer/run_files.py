"""A run's folder: its name, its checkpoints, and what is left of it when the disk is full."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from fastnst.errors import ConfigError, OutputError, unencodable
from fastnst.output_files import write_atomically
from fastnst.perceptual.weight_formats import unpickled

_FULL_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded")
_MAX_NAME_CHARACTERS = 100
_DESCRIPTIONS, _EVENTS = ("config.yaml", "hparams.yaml"), "events.out.tfevents"  # all that a run begins with


def check_run_name(name: str) -> None:
    """Raise `FastNSTError` for a name that is not one folder's: runs lie in `runs/<name>/version_<number>`."""
    if not name or name in (".", "..") or any(mark in name for mark in "/\\\0") or not name.isprintable():
        raise ConfigError(f"the name {name!r} cannot be a folder's: take letters, digits, - and _.")
    if len(name) > _MAX_NAME_CHARACTERS:
        raise ConfigError(f"the name {name[:20]}… has {len(name)} letters: {_MAX_NAME_CHARACTERS} is the most.")
    _check_text(name)


def _check_text(name: str) -> None:
    """Raise `OutputError` for a folder that cannot stand in a run's `config.yaml`, or be made in this locale."""
    try:
        name.encode("utf-8")
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise OutputError(f"runs cannot be kept there: {unencodable(error)}") from error


def check_writable(root: Path) -> None:
    """Raise `OutputError` if a run's folder cannot be made below `root`; nothing is left behind."""
    _check_text(str(root))
    nearest = root
    while not os.path.exists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not os.path.isdir(nearest):
        raise OutputError(f"runs cannot be kept in {root}: {nearest} is not a folder.")
    try:
        with tempfile.TemporaryDirectory(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(f"runs cannot be kept in {root} ({error.strerror}): give another folder.") from error


def next_version(folder: Path) -> Path:
    """The first of `version_0`, `version_1`, … that is not there."""
    number = 0
    while os.path.exists(folder / f"version_{number}"):
        number += 1
    return folder / f"version_{number}"


def run_folder(trainer: pl.Trainer) -> Path:
    """The run's folder. All ranks must ask: Lightning broadcasts the answer of the first."""
    return Path(trainer.log_dir or trainer.default_root_dir)


class LatestCheckpoints(ModelCheckpoint):
    """The two latest checkpoints, by step, and `last.ckpt`.

    A class of its own, so that Lightning lets a user's own checkpoint callbacks stand beside it.
    """

    def __init__(self, every: int) -> None:
        super().__init__(
            every_n_train_steps=every,
            filename="{step:06d}",
            auto_insert_metric_name=False,
            monitor="step",
            mode="max",
            save_top_k=2,
            save_last=True,
        )
        self.has_begun = False  # whether everything is restored and the first step comes

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember it."""
        super().on_train_start(trainer, pl_module)
        self.has_begun = True


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints written beside their place and renamed: the one that was there stays whole until the next is.

    What is read is tensors and plain values.
    """

    def load_checkpoint(self, path: str | Path, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Read one, as all checkpoints are read here. Raises as `unpickled`."""
        if os.path.isfile(path):
            return unpickled(Path(path))
        return super().load_checkpoint(path, *arguments, **named)  # a remote address

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write one. Raises `OutputError` if that cannot be done; nothing has changed then."""
        if "://" in str(path):  # a remote address, which Lightning knows to write
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with write_atomically(path, overwrite=True) as partial, partial.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())


def discard_unbegun_run(trainer: pl.Trainer) -> None:
    """Remove the folder of a run that ended before its first step, if nothing but its description lies there."""
    folder = run_folder(trainer)
    took_steps = trainer.global_step > 0 and has_begun(trainer)  # a count alone may be a checkpoint's
    if took_steps or not trainer.is_global_zero or not os.path.isdir(folder):
        return
    for logger in trainer.loggers:
        with contextlib.suppress(OSError):  # of a full disk
            logger.finalize("failed")  # closes its file
    files = [path for path in folder.rglob("*") if not os.path.isdir(path)]
    if any(path.name not in _DESCRIPTIONS and not path.name.startswith(_EVENTS) for path in files):
        return
    for path in files:
        path.unlink()
    folders = [path for path in folder.rglob("*") if os.path.isdir(path)]
    root = folder.parent.parent
    for path in [*sorted(folders, reverse=True), folder, folder.parent, *([root] if root.name == "runs" else [])]:
        try:
            path.rmdir()
        except OSError:  # others' runs lie there
            return


def has_begun(trainer: pl.Trainer) -> bool:
    """Whether a training got as far as its first step, with whatever it resumed from restored."""
    return any(one.has_begun for one in trainer.checkpoint_callbacks if isinstance(one, LatestCheckpoints))


def is_out_of_space(error: BaseException | None) -> bool:
    """True if an error, or what it came from, is of a full disk; libraries hide it in errors of their own."""
    while error is not None:
        if getattr(error, "errno", None) in _FULL_DISK_ERRNOS or any(text in str(error) for text in _FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def full_disk_reported_once() -> Iterator[None]:
    """While it lasts, threads that meet a full disk end without a traceback: the training itself reports it."""
    inner = threading.excepthook

    def report(happened: threading.ExceptHookArgs) -> None:
        if not is_out_of_space(happened.exc_value):
            inner(happened)

    threading.excepthook = report
    try:
        yield
    finally:
        threading.excepthook = inner


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint below a run's folder that is whole, or None."""
    found = [path for path in folder.glob("checkpoints/*.ckpt") if not path.name.startswith(".")]
    for path in sorted(found, key=lambda one: (one.stat().st_mtime, one.name), reverse=True):
        try:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is None:
                    return path
        except (OSError, zipfile.BadZipFile):
            continue
    return None


def out_of_space(folder: Path, step: int) -> str:
    """The sentence for a training that a full disk has ended: what is kept, and how to go on."""
    kept = last_whole_checkpoint(folder)
    rest = (
        f"go on with --ckpt_path {kept}, the last whole checkpoint" if kept else "there is no checkpoint to go on from"
    )
    return f"{folder} cannot be written at step {step} (No space left on device): make room, and {rest}."
