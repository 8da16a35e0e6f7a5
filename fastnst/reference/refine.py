"""Refinement: per-image optimization goes on from what a trained network made, for seconds in place of milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastnst.array_types import UInt8Image
from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.reference.config import check_size, device_of, prepare_trained, trained_settings
from fastnst.reference.optimize import OptimizeConfig, Optimized, Watcher, optimize
from fastnst.runtime.models.metadata import StyleMetadata


def refine(
    photo: UInt8Image,
    restyled: UInt8Image,
    metadata: StyleMetadata,
    paintings: Sequence[Path],
    steps: int,
    *,
    perceptual_weights: str | None = None,
    watcher: Watcher | None = None,
) -> tuple[UInt8Image, Optimized]:
    """Lower the objective of the style's training further, by L-BFGS from the network's picture.

    Args:
        photo: uint8 RGB `[H, W, 3]`.
        restyled: what the network made of it, of the same shape.
        metadata: of the style's model file: its objective and its perceptual network.
        paintings: what the style was trained on; the model file does not hold them.
        steps: iterations, one evaluation of the objective each; 10 to 40 are worth their time.
        perceptual_weights: a local weights file of the perceptual network.
        watcher: called at each step.

    Returns the picture, uint8 RGB `[H, W, 3]`, and how the descent went. Ctrl-C ends it early with the best picture so
    far. Raises `ConfigError` for a model file that does not say what it was trained on, pictures of unequal sizes, or
    too little memory.
    """
    if steps < 1:
        raise ConfigError(f"a refinement takes at least 1 step, not {steps}.")
    if not metadata.loss_weights:
        raise ConfigError(f"{metadata.name} does not say what it was trained on: it cannot be refined.")
    if photo.shape != restyled.shape:
        raise ConfigError(f"the photo is {_size(photo)} pixels and its restyled picture {_size(restyled)}.")
    size = max(photo.shape[:2])
    settings = trained_settings(metadata.perceptual, metadata.loss_weights, size, perceptual_weights)
    objective = prepare_trained(settings, paintings)
    device = device_of(objective)
    photos, start = (as_tensor(picture).to(device) for picture in (photo, restyled))
    check_size(settings, objective, photos, "--max-size")
    run = optimize(photos, objective, OptimizeConfig(steps=steps, projected=True), start=start, watcher=watcher)
    return np.asarray(from_unit_floats(run.image[0].numpy())), run


def as_tensor(picture: UInt8Image) -> Tensor:
    """A picture, uint8 RGB `[H, W, 3]`, as float `[1, 3, H, W]` in [0, 1]."""
    return torch.from_numpy(to_unit_floats(Image.fromarray(picture)))[None]


def _size(picture: UInt8Image) -> str:
    return f"{picture.shape[1]}×{picture.shape[0]}"
