"""Memory that an optimization will need."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fastnst.errors import ConfigError
from fastnst.hardware import available_bytes
from fastnst.perceptual.architectures import ConvSpec
from fastnst.perceptual.network import PerceptualNetwork

# Kept maps, their gradients and the workspace of the convolutions; measured peaks lie between 2.2 and 2.9.
_OVERHEAD = 3.0
_PIXEL_COPIES = 3 * 4 * 50  # RGB float32: the picture, its gradient, and L-BFGS's history of 2 × 20 and its workspace


def needed_bytes(
    network: PerceptualNetwork, layers: Sequence[str], width: int, height: int, element_size: int = 4
) -> int:
    """Estimated peak of one optimization at `width` × `height` pixels, in bytes."""
    per_pixel, area, channels = 0.0, 1.0, 3
    deepest = max(network.layer_names.index(layer) for layer in layers)
    for _, spec in network.layers[: deepest + 1]:
        if isinstance(spec, ConvSpec):
            channels = spec.channels
            area /= spec.stride**2
            per_pixel += channels * area
        elif spec is not None:
            area /= spec[1] ** 2
            per_pixel += channels * area
    return int(width * height * (per_pixel * element_size * _OVERHEAD + _PIXEL_COPIES))


def check_memory(
    network: PerceptualNetwork,
    layers: Sequence[str],
    width: int,
    height: int,
    device: torch.device,
    element_size: int,
    option: str = "--size",
) -> None:
    """Raise `ConfigError`, with the size that would fit and the option for it, if the estimate exceeds what is free."""
    needed = needed_bytes(network, layers, width, height, element_size)
    free = available_bytes(device)
    if free is not None and needed > free:
        fitting = int(max(width, height) * (free / needed) ** 0.5)
        raise ConfigError(
            f"{width}×{height} pixels would need about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are"
            f" free: use {option} {fitting // 16 * 16} or less."
        )
