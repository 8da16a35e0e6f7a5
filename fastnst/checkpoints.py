"""Trained networks as .safetensors whose metadata says what they are; no pickle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fastnst.errors import ModelError
from fastnst.networks import StyleNetwork, build_network
from fastnst.output_files import write_atomically
from fastnst.runtime.models.metadata import StyleMetadata

CHECKPOINT_KEY = "fastnst"
_METADATA_KEY = "fastnst"


def network_name(network: StyleNetwork) -> str:
    """The registry's name of a network."""
    from fastnst.networks import NETWORKS

    return next(name for name, kind in NETWORKS.items() if type(network) is kind)


def save_network(network: StyleNetwork, metadata: StyleMetadata, path: Path, *, overwrite: bool = False) -> None:
    """Write the network's weights and its description to `path` (.safetensors), whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with write_atomically(path, overwrite=overwrite) as partial:
        save_file(tensors, partial, {_METADATA_KEY: json.dumps(dataclasses.asdict(metadata))})


def load_network(path: Path) -> tuple[StyleNetwork, StyleMetadata]:
    """The trained network, in eval mode on the CPU, and its description.

    From a .safetensors, a training .ckpt, or a style model file (.onnx), whose weights keep their names.

    Raises `ModelError` for a missing, damaged or foreign file.
    """
    if not path.is_file():
        raise ModelError(f"the checkpoint {path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            state, description = _read_safetensors(path)
        elif path.suffix == ".onnx":
            state, description = _read_style_model(path)
        else:
            state, description = _read_checkpoint(path)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError, EOFError, _pickle_error()) as error:
        raise ModelError(
            f"{path} is not a fastnst checkpoint (.ckpt from training, .safetensors, or .onnx), or it is damaged."
        ) from error
    known = {field.name for field in dataclasses.fields(StyleMetadata)}
    metadata = StyleMetadata(**{key: value for key, value in description.items() if key in known})
    network = build_network(metadata.network, **metadata.network_options)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{path} does not hold the weights of the network '{metadata.network}' it names.") from error
    return network.eval(), metadata


def _pickle_error() -> type[Exception]:
    import pickle

    return pickle.UnpicklingError


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        description = json.loads((file.metadata() or {})[_METADATA_KEY])
        return {name: file.get_tensor(name) for name in file.keys()}, description  # noqa: SIM118 (not a dict)


def _read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    prefix = "network."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    return state, checkpoint[CHECKPOINT_KEY]


def _read_style_model(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    import onnx
    from onnx.numpy_helper import to_array

    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise ValueError("no ONNX model") from error
    properties = {entry.key: entry.value for entry in model.metadata_props}
    prefix = "network."
    state = {
        initializer.name.removeprefix(prefix): torch.from_numpy(to_array(initializer).copy()).float()
        for initializer in model.graph.initializer
        if initializer.name.startswith(prefix)
    }
    return state, dataclasses.asdict(StyleMetadata.from_properties(properties))
