"""The perceptual network that ships with the package: a few megabytes, no download."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.output_files import write_atomically
from fastnst.perceptual.architectures import ARCHITECTURES, SLIM_TAPS, TORCHVISION
from fastnst.perceptual.network import Padding, PerceptualNetwork

SLIM_FILE = Path(__file__).with_name("slim.safetensors")
_METADATA_KEY = "fastnst.slim"
_SCALE_SUFFIX = ".scale"
_MAX_SIGNED_BYTE = 127  # of a signed byte


def load_slim(path: Path | None = None, *, pooling: str = "max", padding: Padding = "zeros") -> PerceptualNetwork:
    """`slim`, from the package or from a file of `fastnst distill`, in float32.

    Raises `ConfigError` for a missing, damaged or foreign file.
    """
    network = PerceptualNetwork(
        ARCHITECTURES["slim"], TORCHVISION, pooling=pooling, padding=padding, name="slim", readouts=SLIM_TAPS
    )
    path = path or SLIM_FILE
    if not os.path.isfile(path):
        raise ConfigError(f"the perceptual weights file {path} does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            if _METADATA_KEY not in (file.metadata() or {}):
                raise ConfigError(f"{path} is not a slim network: give a slim.safetensors of fastnst distill.")
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        network.load_state_dict(_unpacked(stored))
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        raise ConfigError(f"{path} is damaged, or of another version: give a slim.safetensors.") from error
    return network


def save_slim(network: PerceptualNetwork, recipe: dict[str, Any], path: Path) -> None:
    """Write the network in 8 bits with its recipe in the metadata, whole or not at all."""
    with write_atomically(path, overwrite=True) as partial:
        save_file(_packed(network.state_dict()), partial, {_METADATA_KEY: json.dumps(recipe)})


def slim_recipe(path: Path = SLIM_FILE) -> dict[str, Any]:
    """Description of how the network in `path` was made."""
    with safe_open(path, framework="pt") as file:
        recipe: dict[str, Any] = json.loads((file.metadata() or {})[_METADATA_KEY])
        return recipe


def _packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions as signed bytes with one float32 scale for each output channel; all else in half precision."""
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        values = tensor.detach().float().cpu()
        if values.ndim == 4 and not name.startswith("readouts."):
            scale = values.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / _MAX_SIGNED_BYTE
            packed[name] = (values / scale.view(-1, 1, 1, 1)).round().to(torch.int8).contiguous()
            packed[name + _SCALE_SUFFIX] = scale
        else:
            packed[name] = values.to(torch.float16).contiguous()
    return packed


def _unpacked(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if not name.endswith(_SCALE_SUFFIX):
            state[name] = tensor.float()
            if tensor.dtype == torch.int8:  # in place, which refuses scales that would make it larger
                state[name] *= stored[name + _SCALE_SUFFIX].view(-1, 1, 1, 1)
    return state
