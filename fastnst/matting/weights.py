"""Matting networks in files: ours with their description, and the checkpoints of MODNet's authors."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastnst.errors import ConfigError, ModelError
from fastnst.matting.network import PAPER, MattingNetwork, MattingOptions
from fastnst.output_files import write_atomically
from fastnst.perceptual.weight_formats import UNREADABLE, unpickled
from fastnst.runtime.models.description import read_json
from fastnst.runtime.models.metadata import MattingMetadata

CHECKPOINT_KEY = "fastnst_matting"
_TWIN_PREFIX = "lr_branch.backbone."  # the authors' checkpoints hold the backbone twice
_DATA_PARALLEL_PREFIX = "module."  # and were saved from DataParallel
_MAX_NETWORK_OPTION = 4096  # of a network in a file: channels
PAPER_SIZE = 512  # the authors' reference size


def save_matting(network: MattingNetwork, metadata: MattingMetadata, path: Path, *, overwrite: bool = False) -> None:
    """Write the weights and their description to `path` (.safetensors), whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in unshared_state(network).items()}
    with write_atomically(path, overwrite=overwrite) as partial:
        save_file(tensors, partial, {CHECKPOINT_KEY: json.dumps(dataclasses.asdict(metadata))})


def unshared_state(network: MattingNetwork) -> dict[str, Tensor]:
    """The state without the backbone's second name."""
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(_TWIN_PREFIX)}


def load_matting(path: Path) -> tuple[MattingNetwork, MattingMetadata]:
    """A matting network in eval mode on the CPU, and its description.

    Args:
        path: .safetensors or .ckpt of ours, or a checkpoint of MODNet's authors (.ckpt, .pth: a plain state, with or
            without the prefix `module.`), which becomes the full network.

    Raises `ModelError` for a missing, damaged or foreign file.
    """
    if not os.path.isfile(path):
        raise ModelError(f"the checkpoint {path} does not exist.")
    try:
        state, metadata = _read(path)
    except ModelError as error:
        raise ModelError(f"{path} is not a checkpoint of a matting network: {error}.") from error
    except UNREADABLE as error:
        raise ModelError(
            f"{path} is not a checkpoint of a matting network (ours, or one of MODNet's authors), or it is damaged."
        ) from error
    network = _empty_network(path, metadata)
    state |= {
        _TWIN_PREFIX + name.removeprefix("backbone."): state[name] for name in state if name.startswith("backbone.")
    }
    own = network.state_dict()
    # A counter that nothing here reads; files from before it existed lack it.
    state = {name: own[name] for name in own if name.endswith("num_batches_tracked")} | state
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"{path} does not hold the weights of a matting network with {metadata.network_options}."
        ) from error
    return network.eval(), metadata


def _empty_network(path: Path, metadata: MattingMetadata) -> MattingNetwork:
    try:
        options = MattingOptions(**metadata.network_options)
        options.validate()
        if max(options.top, options.detail) > _MAX_NETWORK_OPTION:
            raise ConfigError(f"top and detail must be at most {_MAX_NETWORK_OPTION}.")
        return MattingNetwork(options)
    except (ConfigError, TypeError, ValueError) as error:
        reason = error if isinstance(error, ConfigError) else "its options mean nothing."
        raise ModelError(f"{path} names a network that cannot be built: {reason}") from error


def is_matting(path: Path) -> bool:
    """True if a file is a checkpoint of a matting network; whatever cannot be read is none."""
    try:
        _read(path)
    except ModelError:
        return True  # a damaged one; reading it for use says why
    except UNREADABLE:
        return False
    return True


def _read(path: Path) -> tuple[dict[str, Tensor], MattingMetadata]:
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            metadata = MattingMetadata.from_mapping(read_json((file.metadata() or {})[CHECKPOINT_KEY]))
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    checkpoint = unpickled(path)
    if CHECKPOINT_KEY in checkpoint:
        state = {name.removeprefix("network."): tensor for name, tensor in checkpoint["state_dict"].items()}
        return state, MattingMetadata.from_mapping(checkpoint[CHECKPOINT_KEY])
    return _authors_state(checkpoint), MattingMetadata(
        "modnet", network_options=dataclasses.asdict(PAPER), reference_size=PAPER_SIZE, image_size=PAPER_SIZE
    )


def _authors_state(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    state = checkpoint.get("state_dict", checkpoint)
    named = {name.removeprefix(_DATA_PARALLEL_PREFIX): tensor for name, tensor in state.items()}
    if not any(name.startswith("f_branch.") for name in named):
        raise KeyError("f_branch")
    kept = {name: tensor for name, tensor in named.items() if not name.startswith(_TWIN_PREFIX)}
    # A file that holds the backbone only inside the semantic branch is complete, too.
    shared = {
        name.removeprefix("lr_branch."): tensor for name, tensor in named.items() if name.startswith(_TWIN_PREFIX)
    }
    return shared | kept
