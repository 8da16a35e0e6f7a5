"""Watch a training: previews of held-out photos, speed, skipped photos, a description of the run's end."""

from __future__ import annotations

import logging
import time
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from fastnst.checkpoints import save_network
from fastnst.contact_sheet import contact_sheet
from fastnst.images.arrays import from_unit_floats
from fastnst.images.encode import save_image
from fastnst.images.resize import resize_long_side
from fastnst.trainer.run_files import run_folder
from fastnst.training.data import PhotoData
from fastnst.training.module import StyleTraining
from fastnst.training.several_styles import style_modules

log = logging.getLogger(__name__)


class Previews(pl.Callback):
    """At each validation, held-out photos and what the network makes of them, beside the painting.

    Goes to TensorBoard and, as `previews/step_000500.jpg`, into the run's folder.
    """

    def __init__(self, photos: int = 4) -> None:
        self.photos = photos

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the sheets (on the first rank)."""
        run = run_folder(trainer)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        data = cast(PhotoData, cast(Any, trainer).datamodule)
        count = min(self.photos, len(data.val_dataset))
        photos = torch.stack([data.val_dataset[index] for index in range(count)])
        styles = style_modules(pl_module)
        for style in styles:
            sheet = _sheet(style, photos, trainer.global_step)
            name = "" if len(styles) == 1 else style.style_name
            save_image(sheet, run / name / "previews" / f"step_{trainer.global_step:06d}.jpg", overwrite=True)
            if isinstance(trainer.logger, TensorBoardLogger):
                tag = f"{name}/previews".lstrip("/")
                trainer.logger.experiment.add_image(tag, np.asarray(sheet), trainer.global_step, dataformats="HWC")


class Throughput(pl.Callback):
    """Log training images per second, waiting for data included, validation left out."""

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self._started: float | None = None
        self._images = 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock where it does not run."""
        if self._started is None:
            self._started, self._images = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Tensor, batch_idx: int
    ) -> None:
        """Count; log every few steps."""
        self._images += len(batch) * trainer.world_size
        if trainer.global_step % self.every:
            return
        now = time.perf_counter()
        assert self._started is not None
        pl_module.log("train/images_per_second", self._images / (now - self._started))
        self._started, self._images = now, 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: a validation is not training."""
        self._started = None


class Finish(pl.Callback):
    """Write the trained network as .safetensors at the end, and say what comes next.

    Args:
        exports: whether what comes next follows by itself (`FirstPicture`).
    """

    def __init__(self, *, exports: bool = False) -> None:
        self.exports = exports

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """After Ctrl-C, keep what was reached: a checkpoint to go on from, and the network as it is."""
        if not isinstance(exception, KeyboardInterrupt) or trainer.global_step == 0:
            return
        checkpoint = run_folder(trainer) / "checkpoints" / "last.ckpt"
        trainer.save_checkpoint(checkpoint)
        self.exports = False
        self.on_fit_end(trainer, pl_module)
        if trainer.is_global_zero:
            log.info("Interrupted at step %d; go on with --ckpt_path %s", trainer.global_step, checkpoint)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, on the first rank, what the training reached."""
        run = run_folder(trainer)
        if not trainer.is_global_zero or trainer.global_step == 0:
            return
        data = cast(PhotoData, cast(Any, trainer).datamodule)
        if data.skipped:
            log.warning("%d time(s) a photo was skipped because it could not be read or was too small.", data.skipped)
        for style in style_modules(pl_module):
            path = run / f"{style.style_name}.safetensors"
            save_network(style.network, style.metadata(), path, overwrite=True)
            log.info("Trained %s for %d steps: %s", style.style_name, trainer.global_step, path)
            if not self.exports:
                log.info(
                    "Next:\n  fastnst export %s -o %s.onnx\n  fastnst stylize PHOTO --style %s.onnx -o out.jpg",
                    *(path, style.style_name, style.style_name),
                )


def _sheet(style: StyleTraining, photos: Tensor, step: int) -> Image.Image:
    """Photos, uint8 `[N, 3 or 4, H, W]`, and what the network makes of them, beside the painting."""
    restyled = style(photos[:, :3].to(style.device).float() / 255).float().cpu()
    painting = resize_long_side(from_unit_floats(style.paintings[0]), 256)
    rows = [
        [(_image(photo), ""), (from_unit_floats(picture.numpy()), "")]
        for photo, picture in zip(photos, restyled, strict=True)
    ]
    rows[0].append((painting, style.style_name))
    return contact_sheet(rows, cell=256, title=f"step {step}")


def _image(photo: Tensor) -> Image.Image:
    return Image.fromarray(photo[:3].permute(1, 2, 0).contiguous().numpy())
