"""Several networks on the same photos: the photos' content is read once, and all pictures in one pass."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.losses.objective import LossTerms, Objective
from fastnst.losses.term import NetworkPass
from fastnst.networks import StyleNetwork
from fastnst.networks.light import keep_light

_STREAMS = 8


def check_alike(objectives: Sequence[Objective]) -> None:
    """Raise `ConfigError` for objectives that one pass of one perceptual network cannot serve."""
    first = objectives[0]
    for objective in objectives[1:]:
        if objective.perceptual is not first.perceptual:
            raise ConfigError("styles that are trained together need the same perceptual network, padding included.")
        if objective.layers != first.layers or objective.read_out_later != first.read_out_later:
            raise ConfigError("styles that are trained together need the same content and style layers and statistic.")


def measure_together(
    networks: Sequence[StyleNetwork], objectives: Sequence[Objective], photos: Tensor, *, seed: int, reduced: bool
) -> list[LossTerms]:
    """What each network's own training would measure on these photos, its terms of the network included.

    Args:
        networks: one a style.
        objectives: one a style, with its painting set; see `check_alike`.
        photos: float RGB `[N, 3, H, W]` in [0, 1].
        seed: of what a term draws.
        reduced: run the networks in bfloat16.

    Returns scalars, the means over the photos. Networks share nothing but photos: the gradient of the sum of their
    totals is, for each, that of its own.
    """
    first, device = objectives[0], photos.device.type
    target = first.content_target(photos)
    # Half-precision copies of the weights are not kept: a recorded CUDA graph would go on with those of its recording.
    with torch.autocast(device, torch.bfloat16, enabled=reduced, cache_enabled=False):
        pictures = _painted(networks, photos)
    measured: list[LossTerms] = []
    with torch.autocast(device, enabled=False):
        images = torch.cat([picture.float() for picture in pictures])
        found = {layer: maps.split(len(photos)) for layer, maps in first.features(images).items()}
        for index, (objective, part) in enumerate(zip(objectives, images.split(len(photos)), strict=True)):
            features = {layer: parts[index] for layer, parts in found.items()}
            measured.append(objective.measure(part, features, target).mean())
    with torch.autocast(device, torch.bfloat16, enabled=reduced, cache_enabled=False):
        return [
            objective.with_network(terms, picture, NetworkPass(network, photos, network.stride, seed))
            for objective, terms, picture, network in zip(objectives, measured, pictures, networks, strict=True)
        ]


def _painted(networks: Sequence[StyleNetwork], photos: Tensor) -> list[Tensor]:
    """What each network makes of the photos. The light of all pictures is kept in one go."""
    painted = torch.cat([picture.float() for picture in _on_streams(networks, photos)])
    pictures = keep_light(photos.repeat(len(networks), 1, 1, 1), painted)
    return list(pictures.split(len(photos)))


def _on_streams(networks: Sequence[StyleNetwork], photos: Tensor) -> list[Tensor]:
    """What each network paints. One alone is too small for a GPU: there they run on streams, forwards and back."""
    if not photos.is_cuda:
        return [network.paint(photos) for network in networks]
    current = torch.cuda.current_stream(photos.device)
    streams = _streams(photos.device)[: len(networks)]
    pictures = []
    for index, network in enumerate(networks):
        stream = streams[index % len(streams)]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            pictures.append(network.paint(photos))
    for stream in streams:
        current.wait_stream(stream)
    return pictures


@functools.cache
def _streams(device: torch.device) -> list[torch.cuda.Stream]:
    return [torch.cuda.Stream(device) for _ in range(_STREAMS)]
