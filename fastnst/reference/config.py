"""What the reference commands share: settings, and the objective that they prepare."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.hardware import bf16_is_fast, default_device, keep_freed_memory
from fastnst.losses.objective import Objective, ObjectiveConfig
from fastnst.perceptual import PerceptualConfig, PerceptualNetwork, build_perceptual
from fastnst.reference.inputs import open_tensor
from fastnst.reference.memory import check_memory
from fastnst.reference.optimize import OptimizeConfig


@dataclass
class Settings:
    """Everything that decides one reference picture, but the pictures that go in."""

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
            if value is not None and value < 16:
                raise ConfigError(f"{name} must be at least 16 pixels, not {value}.")
        if not 0 <= self.style_trim < 0.5:
            raise ConfigError(f"style-trim must be from 0 to less than 0.5, not {self.style_trim}.")
        if self.precision not in ("auto", "bf16", "f32"):
            raise ConfigError(f"unknown precision '{self.precision}': choose auto, bf16 or f32.")
        if self.tap not in (None, "conv", "relu"):
            raise ConfigError(f"unknown tap '{self.tap}': choose conv or relu.")

    def tapped(self) -> Settings:
        """These settings with all convolution and ReLU layers read at the one `tap`, if one is set."""
        if self.tap is None:
            return self
        tap = self.tap

        def renamed(layers: list[str]) -> list[str]:
            return [re.sub("^(conv|relu)", tap, layer) for layer in layers]

        objective = dataclasses.replace(
            self.objective,
            content_layers=renamed(self.objective.content_layers),
            style_layers=renamed(self.objective.style_layers),
        )
        return dataclasses.replace(self, objective=objective, tap=None)


_networks: dict[str, PerceptualNetwork] = {}


def perceptual_network(settings: Settings, device: torch.device) -> PerceptualNetwork:
    """The judge on its device in the precision asked for; opened once for a whole sweep."""
    key = repr(settings.perceptual)
    if key not in _networks:
        _networks[key] = build_perceptual(settings.perceptual).to(device)
    reduced = settings.precision == "bf16" or (settings.precision == "auto" and bf16_is_fast(device))
    return _networks[key].set_precision(torch.bfloat16 if reduced else torch.float32)


def prepare(settings: Settings, paintings: Sequence[Path], weights: Sequence[float] | None = None) -> Objective:
    """The objective with its style, ready to measure. Raises `ConfigError` for what does not fit together."""
    settings.validate()
    keep_freed_memory()
    device = default_device()
    objective = Objective(perceptual_network(settings, device), settings.objective).to(device)
    style_layers = settings.objective.style_layers
    if not style_layers:
        return objective
    least = objective.perceptual.smallest_input(style_layers)
    size = settings.style_size or settings.size
    pictures = [open_tensor(path, size, settings.style_trim).to(device) for path in paintings]
    for path, picture in zip(paintings, pictures, strict=True):
        if min(picture.shape[2:]) < least:
            raise ConfigError(
                f"the painting {path} is {picture.shape[3]}×{picture.shape[2]} pixels here, but {style_layers[-1]}"
                f" needs {least}: give a larger painting or --style-size, or shallower layers."
            )
    objective.set_style(pictures, weights)
    return objective


def check_size(settings: Settings, objective: Objective, photo: Tensor) -> None:
    """Raise `ConfigError` if the picture is too small for the layers or too large for the memory."""
    height, width = photo.shape[2:]
    network = objective.perceptual
    least = network.smallest_input(settings.objective.layers)
    if min(height, width) < least:
        raise ConfigError(f"the picture is {width}×{height} pixels, but these layers of {network.name} need {least}.")
    element = next(network.convolutions.parameters()).element_size()
    check_memory(network, settings.objective.layers, width, height, photo.device, element)


def option_homes() -> dict[str, tuple[str, dataclasses.Field[object]]]:
    """Every setting by name: where it lives (`objective`, `perceptual`, `descent` or ``) and its field."""
    homes: dict[str, tuple[str, dataclasses.Field[object]]] = {}
    parts = (("objective", ObjectiveConfig), ("perceptual", PerceptualConfig), ("descent", OptimizeConfig))
    for home, part in parts:
        for entry in dataclasses.fields(part):
            homes[_PUBLIC.get((home, entry.name), entry.name)] = (home, entry)
    for entry in dataclasses.fields(Settings):
        if entry.name not in ("objective", "perceptual", "descent"):
            homes[entry.name] = ("", entry)
    return homes


# Where a field's own name would be unclear beside the others.
_PUBLIC = {
    ("perceptual", "name"): "perceptual",
    ("perceptual", "weights"): "weight_set",
    ("perceptual", "weights_file"): "perceptual_weights",
}
