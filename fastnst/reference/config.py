"""Settings of a reference picture, and the objective that they prepare."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastnst.errors import ConfigError, DownloadError
from fastnst.hardware import bf16_is_fast, default_device, keep_freed_memory
from fastnst.losses.config import ObjectiveConfig, check_choice, objective_config
from fastnst.losses.objective import Objective
from fastnst.perceptual import PerceptualConfig, PerceptualNetwork, build_perceptual
from fastnst.reference.inputs import open_tensor
from fastnst.reference.memory import check_memory
from fastnst.reference.optimize import OptimizeConfig

_LARGEST_SIZE = 100_000  # pixels of a long side, as of the largest pictures that are opened


@dataclass(frozen=True)
class Settings:
    """Everything that decides one reference picture, but the pictures that go in.

    Attributes:
        objective: what is lowered.
        perceptual: the network that measures it.
        descent: how the pixels are moved.
        size: long side of the photo in pixels; larger ones are reduced.
        style_size: long side at which the paintings are seen; None takes `size`. Larger means broader strokes.
        style_trim: share of a painting's sides that is left off at each border: a frame, a mat.
        precision: of the perceptual network: `bf16`, `f32`, or `auto`, bf16 where the machine is fast at it.
        tap: read all layers at their convolutions (`conv`) or after their activations (`relu`), whatever they are
            called; None reads them as called.
    """

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    perceptual: PerceptualConfig = field(default_factory=PerceptualConfig)
    descent: OptimizeConfig = field(default_factory=OptimizeConfig)
    size: int = 384
    style_size: int | None = None
    style_trim: float = 0.0
    precision: str = "auto"
    tap: str | None = None

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        self.objective.validate()
        self.descent.validate()
        for name, value in (("size", self.size), ("style-size", self.style_size)):
            if value is not None and not 16 <= value <= _LARGEST_SIZE:
                raise ConfigError(f"{name} must be between 16 and {_LARGEST_SIZE:,} pixels, not {value}.")
        if not 0 <= self.style_trim < 0.5:
            raise ConfigError(f"style-trim must be from 0 to less than 0.5, not {self.style_trim}.")
        check_choice("precision", self.precision, ("auto", "bf16", "f32"))
        if self.tap is not None:
            check_choice("tap", self.tap, ("conv", "relu"))

    def tapped(self) -> Settings:
        """These settings with all convolution and ReLU layers read at the one `tap`, if one is set."""
        if self.tap is None:
            return self
        tap = self.tap

        def renamed(layers: list[str]) -> list[str]:
            return [re.sub("^(conv|relu)", tap, layer) for layer in layers]

        objective = replace(
            self.objective,
            content_layers=renamed(self.objective.content_layers),
            style_layers=renamed(self.objective.style_layers),
        )
        return replace(self, objective=objective, tap=None)


def trained_settings(
    perceptual: str,
    loss_weights: Mapping[str, Any],
    size: int,
    weights_file: str | None = None,
    precision: str = "auto",
) -> Settings:
    """The settings that lower what a model was trained on, from its metadata.

    Args:
        perceptual: the name of its perceptual network.
        loss_weights: of the metadata, in the keys of any version.
        size: long side of photos in pixels.
        weights_file: local weights of the perceptual network.
        precision: of `Settings`.
    """
    return Settings(
        objective_config(loss_weights).for_pictures(),
        perceptual_config(perceptual, loss_weights, weights_file),
        size=size,
        style_size=loss_weights.get("style_size"),
        style_trim=loss_weights.get("style_trim", 0.0),
        precision=precision,
    )


def perceptual_config(name: str, loss_weights: Mapping[str, Any], weights_file: str | None = None) -> PerceptualConfig:
    """The perceptual network of a model's metadata; models made before paddings could be chosen had zeros."""
    return PerceptualConfig(name, weights_file=weights_file, padding=loss_weights.get("padding", "zeros"))


def perceptual_network(settings: Settings, device: torch.device) -> PerceptualNetwork:
    """The perceptual network on its device in the precision asked for; opened once for a whole sweep."""
    reduced = settings.precision == "bf16" or (settings.precision == "auto" and bf16_is_fast(device))
    return _opened(settings.perceptual, device, torch.bfloat16 if reduced else torch.float32)


@functools.lru_cache(maxsize=4)
def _opened(perceptual: PerceptualConfig, device: torch.device, dtype: torch.dtype) -> PerceptualNetwork:
    return build_perceptual(perceptual).to(device).set_precision(dtype)


def prepare(settings: Settings, paintings: Sequence[Path], weights: Sequence[float] | None = None) -> Objective:
    """The objective with its style, ready to measure. Raises `ConfigError` for what does not fit together."""
    settings.validate()
    keep_freed_memory()
    device = default_device()
    objective = Objective(perceptual_network(settings, device), settings.objective).to(device)
    style_layers = settings.objective.style_layers
    if not style_layers:
        return objective
    smallest = objective.perceptual.smallest_input(style_layers)
    size = settings.style_size or settings.size
    pictures = [open_tensor(path, size, settings.style_trim).to(device) for path in paintings]
    for path, picture in zip(paintings, pictures, strict=True):
        if min(picture.shape[2:]) < smallest:
            raise ConfigError(
                f"the painting {path} is {picture.shape[3]}×{picture.shape[2]} pixels here, but {style_layers[-1]}"
                f" needs {smallest}: give a larger painting or --style-size, or shallower layers."
            )
    objective.set_style(pictures, weights)
    return objective


def prepare_trained(settings: Settings, paintings: Sequence[Path]) -> Objective:
    """`prepare` of `trained_settings`: only the perceptual network of the training will do.

    Raises `DownloadError`, with the option that takes a local file, if it cannot be had.
    """
    try:
        return prepare(settings, paintings)
    except DownloadError as error:
        remedy = f"the style was trained with {settings.perceptual.name}; get that file from another machine and pass"
        raise DownloadError(error.fact, f"{remedy} it with --perceptual-weights FILE.") from error


def device_of(objective: Objective) -> torch.device:
    """Where the objective measures; pictures have to be there."""
    return next(objective.perceptual.convolutions.parameters()).device


def check_size(settings: Settings, objective: Objective, photo: Tensor, option: str = "--size") -> None:
    """Raise `ConfigError` if the picture is too small for the layers or too large for the memory; `option` sets it."""
    height, width = photo.shape[2:]
    network = objective.perceptual
    smallest = network.smallest_input(objective.layers)
    if min(height, width) < smallest:
        raise ConfigError(
            f"the picture is {width}×{height} pixels, but these layers of {network.name} need {smallest}."
        )
    element = next(network.convolutions.parameters()).element_size()
    check_memory(network, objective.layers, width, height, photo.device, element, option)
