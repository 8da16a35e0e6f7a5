"""Restyled held-out photos by each model's own painting: the objective, and the figures of a second network."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.hardware import default_device
from fastnst.images.arrays import to_unit_floats
from fastnst.losses.config import objective_config
from fastnst.losses.objective import Objective
from fastnst.reference.compare import measure_picture
from fastnst.reference.config import Settings, perceptual_config, prepare
from fastnst.reference.inputs import photo_list
from fastnst.reference.second import Judges, SecondNetwork, open_second

Key = tuple[str, str]  # what it is, and its style
Run = Callable[[np.ndarray], np.ndarray]


def named_files(pairs: list[str]) -> dict[str, Path]:
    """`NAME=FILE` arguments. Raises `ConfigError` for anything else."""
    found = {}
    for pair in pairs:
        name, separator, path = pair.partition("=")
        if not (name and separator and Path(path).is_file()):
            raise ConfigError(f"'{pair}' is not NAME=FILE with a file that exists.")
        found[name] = Path(path)
    return found


def objectives(
    pictures: list[tuple[Key, Run]], weights: dict[str, Any], paintings: dict[str, Path], options: argparse.Namespace
) -> dict[Key, dict[str, float]]:
    """Mean terms and measures over held-out photos, for the models whose style is among `paintings`.

    Args:
        pictures: each model's key, and uint8 RGB `[H, W, 3]` to the same.
        weights: of the terms, as our style model files carry them; the same for all.
        paintings: style to file.
        options: photos, count, photo_size, perceptual, perceptual_weights, second and second_weights.
    """
    settings = Settings(
        objective_config(weights).for_pictures(),
        perceptual_config(options.perceptual, weights, options.perceptual_weights),
        size=options.photo_size,
        style_size=weights.get("style_size"),
        style_trim=weights.get("style_trim", 0.0),
        precision="f32",
    )
    photos = [np.asarray(photo) for _, photo in photo_list(options.photos, options.count, options.photo_size)]
    frames = [cropped(photo) for photo in photos]
    found: dict[Key, dict[str, float]] = {}
    for style, painting in paintings.items():
        objective = prepare(settings, [painting])
        second = open_second(options.second, options.second_weights, settings, [painting])
        found |= {key: mean_figures(objective, second, run, frames) for key, run in pictures if key[1] == style}
    return found


def cropped(frame: np.ndarray) -> np.ndarray:
    """The largest part from the corner whose sides are multiples of 4, which all networks take."""
    height, width = (side // 4 * 4 for side in frame.shape[:2])
    return frame[:height, :width].copy()  # torch wants it writable


@torch.no_grad()
def mean_figures(
    objective: Objective, second: SecondNetwork | None, run: Run, frames: list[np.ndarray]
) -> dict[str, float]:
    """The objective's terms of restyled frames, and `compare`'s measures of them, averaged."""
    device = default_device()
    figures = []
    for frame in frames:
        restyled = run(frame)
        target = objective.content_target(tensor(frame).to(device))
        terms = objective(tensor(restyled).to(device), target).floats()
        pictures = [Image.fromarray(np.ascontiguousarray(pixels)) for pixels in (restyled, frame)]
        figures.append(terms | measure_picture(pictures[0], pictures[1], Judges(second), device))
    return {name: statistics.mean(values[name] for values in figures) for name in figures[0]}


def tensor(frame: np.ndarray) -> Tensor:
    """uint8 `[H, W, 3]` to float `[1, 3, H, W]` in [0, 1]."""
    return torch.from_numpy(to_unit_floats(Image.fromarray(frame)))[None]
