"""Frozen perceptual networks by name, with their published weights downloaded, checked and cached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fastnst.cache import cache_folder
from fastnst.download import download
from fastnst.errors import ConfigError, suggest
from fastnst.input_files import expanded
from fastnst.perceptual.architectures import ARCHITECTURES, ConvSpec
from fastnst.perceptual.cached import read_weights, save_weights
from fastnst.perceptual.network import Padding, PerceptualNetwork
from fastnst.perceptual.random_filters import RANDOM, random_filters
from fastnst.perceptual.slim import load_slim
from fastnst.perceptual.weight_formats import read_convolutions
from fastnst.perceptual.weight_sets import WEIGHT_SETS, WeightSet


@dataclass(frozen=True)
class PerceptualConfig:
    """The choice of a perceptual network.

    Attributes:
        name: `vgg19`, `vgg16`, `alexnet`, or `slim`, the small one that needs no download.
        weights: `oxford` (the original Caffe weights, which style transfer prefers), `imagenet` (torchvision's), or
            `random`, filters that nothing was learned with (see `random_filters`); None takes `imagenet` for a .pth
            file, which is how torchvision publishes, and the network's first set else. `slim` has one set, `bundled`.
        weights_file: a local file instead of the download; `weights` says which preprocessing it needs.
        pooling: `max`, as trained, or `avg`.
        padding: of its convolutions, `zeros`, as trained, or `replicate`, which leaves no frame (see
            `PerceptualNetwork`).
    """

    name: str = "vgg19"
    weights: str | None = None
    weights_file: str | None = None
    pooling: str = "max"
    padding: Padding = "zeros"


def weight_set_names(name: str) -> list[str]:
    """The weight sets of a network, its default first."""
    if name == "slim":
        return ["bundled"]
    return [*(weights for network, weights in WEIGHT_SETS if network == name), RANDOM]


_shared: ContextVar[dict[PerceptualConfig, PerceptualNetwork] | None] = ContextVar("shared", default=None)


@contextmanager
def sharing_perceptual_networks() -> Iterator[None]:
    """While it lasts, `build_perceptual` gives the same network for the same configuration."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def build_perceptual(config: PerceptualConfig | None = None) -> PerceptualNetwork:
    """The perceptual network that `config` asks for, ready to use, in float32.

    Raises `ConfigError` for an unknown network or weight set or an unsuitable weights file, and `DownloadError`, which
    names the file to get and the option to give it with, if the weights cannot be reached.
    """
    config = config or PerceptualConfig()
    shared = _shared.get()
    if shared is None:
        return _built(config)
    if config not in shared:
        shared[config] = _built(config)
    return shared[config]


def _built(config: PerceptualConfig) -> PerceptualNetwork:
    if config.name not in ARCHITECTURES:
        raise ConfigError(
            f"unknown perceptual network '{config.name}'.{suggest(config.name, ARCHITECTURES)}"
            f" Choose one of: {', '.join(ARCHITECTURES)}."
        )
    known = weight_set_names(config.name)
    weights = config.weights or _likely_set(config.weights_file, known)
    if weights not in known:
        raise ConfigError(f"{config.name} has no weight set '{weights}': choose one of {', '.join(known)}.")
    if config.name == "slim":
        slim_file = expanded(config.weights_file) if config.weights_file else None
        return load_slim(slim_file, pooling=config.pooling, padding=config.padding)
    if weights == RANDOM:
        return random_filters(config.name, pooling=config.pooling, padding=config.padding)
    source = WEIGHT_SETS[config.name, weights]
    network = PerceptualNetwork(
        ARCHITECTURES[config.name],
        source.preprocessing,
        pooling=config.pooling,
        padding=config.padding,
        name=config.name,
    )
    if config.weights_file is not None:
        path = expanded(config.weights_file)
        _fill(network, read_convolutions(path), str(path))
    else:
        _fill(network, _downloaded(config.name, weights, source, network), source.file.name)
    return network


def _likely_set(weights_file: str | None, known: list[str]) -> str:
    is_torchvisions = weights_file is not None and Path(weights_file).suffix.lower() in (".pth", ".pt")
    return "imagenet" if is_torchvisions and "imagenet" in known else known[0]


def _downloaded(name: str, weights: str, source: WeightSet, network: PerceptualNetwork) -> dict[str, Tensor]:
    """The weights from the cache, downloaded there first if they are not, or no longer what was downloaded."""
    trimmed = cache_folder() / f"{name}_{weights}.safetensors"
    kept = read_weights(trimmed)
    if kept is not None:
        return kept
    advice = (
        "go on with the perceptual network that needs no download, --perceptual slim, or get"
        f" {source.file.name} ({source.file.size / 1e6:.0f} MB) from another machine and pass it with"
        " --perceptual-weights FILE."
    )
    published = download(source.file, cache_folder() / source.file.name, offline_advice=advice)
    state = read_convolutions(published)
    _fill(network, state, str(published))
    save_weights(state, trimmed, source.file.url)
    published.unlink()  # half a gigabyte of classifier that nothing here reads
    return state


def _fill(network: PerceptualNetwork, state: dict[str, Tensor], origin: str) -> None:
    for layer, spec in network.layers:
        if not isinstance(spec, ConvSpec):
            continue
        convolution = network.convolutions[layer]
        for part in ("weight", "bias"):
            key = f"features.{spec.index}.{part}"
            values, parameter = state.get(key), getattr(convolution, part)
            if values is None or values.shape != parameter.shape:
                found = "is missing" if values is None else f"has shape {list(values.shape)}"
                raise ConfigError(
                    f"{origin} does not hold the weights of {network.name}: {key} ({layer}) {found},"
                    f" expected {list(parameter.shape)}."
                )
            with torch.no_grad():
                parameter.copy_(values)


__all__ = [
    "PerceptualConfig",
    "PerceptualNetwork",
    "build_perceptual",
    "sharing_perceptual_networks",
    "weight_set_names",
]
