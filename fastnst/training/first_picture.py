"""The end of a quick start: the style model file, and the sample photo restyled by it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytorch_lightning as pl

from fastnst.checkpoints import load_network
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.runtime.stylizer import Stylizer
from fastnst.sample import sample_photo
from fastnst.style_export import export_style_model
from fastnst.trainer.run_files import run_folder
from fastnst.training.several_styles import style_modules

log = logging.getLogger(__name__)


class FirstPicture(pl.Callback):
    """Export the trained network into the run's folder as `NAME.onnx`, and restyle the sample photo as `NAME.jpg`.

    It comes after `Finish`, whose file it exports.
    """

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """On the first rank, of what was trained."""
        folder = run_folder(trainer)
        for style in style_modules(pl_module):
            trained = folder / f"{style.style_name}.safetensors"
            if not trainer.is_global_zero or not os.path.isfile(trained):
                return
            model, picture = trained.with_suffix(".onnx"), trained.with_suffix(".jpg")
            make(trained, model, picture)
            log.info("The style model file: %s\nThe sample photo in that style: %s", model, picture)
            log.info("Next:\n  fastnst stylize PHOTO --style %s -o out.jpg", model)


def make(trained: Path, model: Path, picture: Path) -> None:
    """Write the style model file of a trained network, and the sample photo as it restyles it."""
    network, metadata = load_network(trained)
    export_style_model(network, metadata, model, overwrite=True)
    restyled = Stylizer(model)(open_image(sample_photo()))
    save_image(restyled, picture, overwrite=True)
