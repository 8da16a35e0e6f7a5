"""A second opinion: a perceptual network that the training did not see, and what it measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fastnst.errors import ConfigError, DownloadError
from fastnst.hardware import float32_products
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.metrics.feature_distances import LPIPS_LAYERS, content_structure_distance, lpips, sliced_wasserstein
from fastnst.metrics.image_quality import ImageQuality
from fastnst.perceptual import PerceptualConfig
from fastnst.perceptual.random_filters import RANDOM
from fastnst.reference.config import Settings, device_of, prepare
from fastnst.reference.inputs import open_tensor

AUTO, NONE = "auto", "none"
# Layers of like depth: content, style.
_LAYERS = {
    "alexnet": (["relu4"], ["relu1", "relu2", "relu3", "relu4", "relu5"]),
    "vgg16": (["relu3_3"], ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]),
    "vgg19": (["relu4_2"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]),
    "slim": (["relu4_2"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]),
}
_PREFERRED = ("alexnet:imagenet", "vgg16:imagenet", f"vgg16:{RANDOM}")


@dataclass(frozen=True)
class SecondNetwork:
    """A perceptual network beside that of the training.

    Attributes:
        name: which, as `network:weights`.
        objective: with the paintings as its style.
        painting: features of the first painting at its style layers.
        note: why it is this one; empty if it was asked for.
    """

    name: str
    objective: Objective
    painting: Mapping[str, Tensor]
    note: str = ""

    def measure(self, picture: Tensor, photo: Tensor) -> dict[str, float]:
        """Its figures of a picture, float RGB `[1, 3, H, W]` in [0, 1], made from a photo of the same size."""
        with float32_products(tf32=False), torch.no_grad():
            return self._measured(picture, photo)

    def _measured(self, picture: Tensor, photo: Tensor) -> dict[str, float]:
        objective, network = self.objective, self.objective.perceptual
        terms = objective(picture, objective.content_target(photo)).floats()
        features = network.features(picture, list(self.painting))
        values = {
            "second_content": terms["content"],
            "second_style": terms["style"],
            "swd": sliced_wasserstein(features, self.painting),
            "cfsd": content_structure_distance(network, picture, photo),
        }
        if self.name.split(":")[0] in LPIPS_LAYERS and self.name.endswith(":imagenet"):
            values["lpips"] = lpips(network, picture, photo)
        return values


@dataclass(frozen=True)
class Judges:
    """What measures pictures beside the objective.

    Attributes:
        second: a perceptual network that the training did not use.
        qualities: further measures.
    """

    second: SecondNetwork | None = None
    qualities: Sequence[ImageQuality] = ()

    def measure(self, picture: Tensor, photo: Tensor) -> dict[str, float]:
        """All figures of a picture made from a photo, as `SecondNetwork`; those of further measures as `iqa_NAME`."""
        values = self.second.measure(picture, photo) if self.second is not None else {}
        return values | {f"iqa_{one.name}": one.measure(picture, photo) for one in self.qualities}


def open_second(
    asked: str, weights_file: str | None, settings: Settings, paintings: Sequence[Path]
) -> SecondNetwork | None:
    """The second network, with the training's paintings as its style.

    Args:
        asked: `NAME`, `NAME:WEIGHTS`, `none`, or `auto`: AlexNet or VGG-16 if their weights can be had, else VGG-16
            with random filters, which are always there.
        weights_file: a local file of its weights.
        settings: of the training; the second network is never the training's own.
        paintings: what the style was trained on.

    Raises `ConfigError` for the training's own network or an unknown one, `DownloadError` if it cannot be had.
    """
    if asked == NONE:
        return None
    if asked != AUTO:
        return _open(asked, weights_file, settings, paintings)
    if weights_file is not None:
        raise ConfigError(f"--second-weights {weights_file} needs the network's name: --second alexnet or vgg16.")
    reason = ""
    for name in _PREFERRED:
        if name.split(":")[0] == settings.perceptual.name and not name.endswith(RANDOM):
            continue
        try:
            return replace(_open(name, None, settings, paintings), note=reason)
        except DownloadError as error:
            reason = reason or f"{error.fact}: --second alexnet --second-weights FILE takes a local one"
    raise AssertionError("unreachable: random filters need no file")


def _open(asked: str, weights_file: str | None, settings: Settings, paintings: Sequence[Path]) -> SecondNetwork:
    name, _, weights = asked.partition(":")
    own = settings.perceptual
    if name == own.name and weights in ("", own.weights or "") and weights != RANDOM:
        raise ConfigError(f"--second {asked} is what the model was trained with: name another perceptual network.")
    content, style = _LAYERS.get(name, ([], []))
    if not content:
        raise ConfigError(f"unknown perceptual network '{name}' for --second: choose one of {', '.join(_LAYERS)}.")
    perceptual = PerceptualConfig(name, weights or _torchvisions(name), weights_file)
    asked_for = replace(
        settings,
        objective=ObjectiveConfig(content_layers=content, style_layers=style),
        perceptual=perceptual,
        precision="f32",  # figures that others can compute again
    )
    objective = prepare(asked_for, paintings)
    size = settings.style_size or settings.size
    painting = open_tensor(paintings[0], size, settings.style_trim).to(device_of(objective))
    with float32_products(tf32=False), torch.no_grad():
        features = objective.perceptual.features(painting, style)
    return SecondNetwork(f"{name}:{perceptual.weights or 'bundled'}", objective, features)


def _torchvisions(name: str) -> str | None:
    return "imagenet" if name in LPIPS_LAYERS else None
