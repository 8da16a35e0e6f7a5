"""Trained networks as .safetensors whose metadata says what they are; no pickle."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fastnst.errors import ConfigError, ModelError
from fastnst.half_weights import HALF
from fastnst.networks import StyleNetwork, build_network
from fastnst.networks.folding import unfolded
from fastnst.output_files import write_atomically
from fastnst.perceptual.weight_formats import UNREADABLE, unpickled
from fastnst.runtime.models.description import read_json
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.onnx_metadata import read_properties

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
    if not os.path.isfile(path):
        raise ModelError(f"the checkpoint {path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            state, metadata = _read_safetensors(path)
        elif path.suffix == ".onnx":
            state, metadata = _read_style_model(path)
        else:
            state, metadata = _read_checkpoint(path)
    except ModelError as error:
        raise ModelError(f"{path} is not a fastnst checkpoint: {error}.") from error
    except UNREADABLE as error:
        raise ModelError(
            f"{path} is not a fastnst checkpoint (.ckpt from training, .safetensors, or .onnx), or it is damaged."
        ) from error
    network = _empty_network(path, metadata, state)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{path} does not hold the weights of the network '{metadata.network}' it names.") from error
    return network.eval(), metadata


def _empty_network(path: Path, metadata: StyleMetadata, state: dict[str, Any]) -> StyleNetwork:
    """The network that a file names, built only if it is as large as the weights that the file holds."""
    with torch.device("meta"):
        try:
            network = build_network(metadata.network, **metadata.network_options)
        except (ConfigError, RuntimeError, TypeError, ValueError) as error:
            reason = error if isinstance(error, ConfigError) else "its options mean nothing."
            raise ModelError(f"{path} names a network that cannot be built: {reason}") from error
    if not have_shapes(state, network):
        raise ModelError(f"{path} does not hold the weights of the network '{metadata.network}' it names.")
    if not are_finite(state):
        raise ModelError(
            f"{path} holds weights that are not finite numbers: its training broke down, or it is damaged."
        )
    return build_network(metadata.network, **metadata.network_options)


def have_shapes(state: Mapping[str, Any], module: nn.Module) -> bool:
    """Whether these are plain tensors of real numbers with the names and shapes of the module's.

    The module may be one on the `meta` device, which takes no memory whatever a file asks for.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    for tensor in state.values():
        if not isinstance(tensor, Tensor) or tensor.is_nested or tensor.layout != torch.strided:
            return False
        if tensor.is_complex() or tensor.is_quantized or tensor.is_meta:
            return False
    if not _are_as_large_as_they_say(state.values()):
        return False
    return wanted == {name: tuple(tensor.shape) for name, tensor in state.items()}


def check_goes_on(checkpoint: Mapping[str, Any], training: nn.Module) -> None:
    """Raise `ModelError` if a checkpoint lacks weights that a training saves, or holds some that are not finite.

    Lightning would leave the ones that are missing as they are, which nobody would see.
    """
    saved = checkpoint.get("state_dict")
    if not isinstance(saved, dict):  # what comes next says so
        return
    wanted = training.state_dict().keys()
    if missing := wanted - saved.keys():
        raise ModelError(f"the checkpoint to go on from lacks {len(missing)} of the network's {len(wanted)} weights.")
    if not are_finite({name: saved[name] for name in wanted}):
        raise ModelError("the checkpoint to go on from holds weights that are not finite numbers.")


def _are_as_large_as_they_say(tensors: Collection[Tensor]) -> bool:
    """Whether there is memory behind all numbers: one may stand for billions, and a file say so in a few bytes."""
    storages = {storage.data_ptr(): storage.nbytes() for storage in (one.untyped_storage() for one in tensors)}
    return sum(storages.values()) >= sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def are_finite(state: Mapping[str, Tensor]) -> bool:
    """Whether all numbers of these tensors are finite."""
    return all(bool(tensor.float().isfinite().all()) for tensor in state.values())  # not every type can be asked


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], StyleMetadata]:
    with safe_open(path, framework="pt") as file:
        metadata = StyleMetadata.from_mapping(read_json((file.metadata() or {})[_METADATA_KEY]))
        return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 (not a dict)


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], StyleMetadata]:
    checkpoint = unpickled(path)
    prefix = "network."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    return state, StyleMetadata.from_mapping(checkpoint[CHECKPOINT_KEY])


def _read_style_model(path: Path) -> tuple[dict[str, Tensor], StyleMetadata]:
    from onnx.numpy_helper import to_array

    metadata = StyleMetadata.from_properties(read_properties(path))
    prefix = "network."
    state = {
        initializer.name.removeprefix(prefix).removesuffix(HALF): _real(torch.from_numpy(to_array(initializer).copy()))
        for initializer in load_graph(path).graph.initializer
        if initializer.name.startswith(prefix)
    }
    return unfolded(state), metadata


def _real(tensor: Tensor) -> Tensor:
    """The same in float32. Raises `ValueError` for complex numbers."""
    if tensor.is_complex():
        raise ValueError("complex weights")
    return tensor.float()


def load_graph(path: Path) -> Any:
    """An .onnx as onnx's own object. Raises `ValueError` for what is none, or keeps weights in other files."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise ValueError("no ONNX model") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ValueError("weights in another file")
    return model
