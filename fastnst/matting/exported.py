"""Go on from a matting model file (.onnx): the network in it, ready to learn more.

An exported file holds each batch normalization folded into the convolution before it, and no branch that only
training needs. Here the convolutions get the folded weights, normalizations that change nothing follow them (their
shifts are the folded biases), and the branches that are missing start at 0, so that they ask nothing of the rest before
they know anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastnst.errors import ConfigError, ModelError
from fastnst.half_weights import HALF
from fastnst.matting.network import Block, IBNorm, MattingNetwork, MattingOptions
from fastnst.runtime.models.metadata import MattingMetadata

_NETWORK_PREFIX = "network."  # the exported graph's name for the network
_BACKBONE_PREFIX, _TWIN_PREFIX = "backbone.", "lr_branch.backbone."  # one module under two names
_TRAINING_ONLY_PREFIXES = ("lr_branch.conv_lr.", "hr_branch.conv_hr.")


def load_exported(path: Path) -> tuple[MattingNetwork, MattingMetadata]:
    """The network of a matting model file that fastnst exported, in eval mode on the CPU, and its description.

    It computes what the file does. Its normalizations hold no statistics of any data: keep them as they are when it
    learns on (`freeze_norms`). Raises `ModelError` for a foreign or damaged file.
    """
    weights, metadata = _read(path)
    try:
        network = MattingNetwork(MattingOptions(**metadata.network_options)).eval()
        with torch.no_grad():
            for name, module in network.named_modules():
                if isinstance(module, Block):
                    _fill_block(module, name, weights)
                elif isinstance(module, nn.Sequential):
                    _fill_sequence(module, name, weights)
            for branch in (network.lr_branch.conv_lr, network.hr_branch.conv_hr[-1]):
                for parameter in branch.parameters():
                    parameter.zero_()
    except (KeyError, RuntimeError, TypeError, ConfigError) as error:
        raise ModelError(f"{path} does not hold a matting network with {metadata.network_options}.") from error
    return network, metadata


def _read(path: Path) -> tuple[dict[str, Tensor], MattingMetadata]:
    import onnx
    from onnx import numpy_helper

    if not os.path.isfile(path):
        raise ModelError(f"the matting model {path} does not exist.")
    try:
        model = onnx.load(str(path), load_external_data=False)
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise ModelError(f"{path} is not an ONNX model, or it is damaged.") from error
    try:
        metadata = MattingMetadata.from_properties({entry.key: entry.value for entry in model.metadata_props})
    except ModelError as error:
        raise ModelError(f"{path} is not a matting model of fastnst: {error}.") from error
    weights = {
        name.removeprefix(_NETWORK_PREFIX).removesuffix(HALF): torch.from_numpy(array.astype(np.float32))
        for name, array in arrays.items()
        if name.startswith(_NETWORK_PREFIX)
    }
    weights |= {
        _BACKBONE_PREFIX + name.removeprefix(_TWIN_PREFIX): weights[name]
        for name in weights
        if name.startswith(_TWIN_PREFIX)
    }
    return weights, metadata


def _fill_block(block: Block, name: str, weights: dict[str, Tensor]) -> None:
    if f"{name}.".startswith(_TRAINING_ONLY_PREFIXES):
        return
    convolution = block.layers[0]
    assert isinstance(convolution, nn.Conv2d)
    _copy(convolution, f"{name}.layers.0", weights)
    if len(block.layers) > 1:
        norm = block.layers[1]
        assert isinstance(norm, IBNorm)
        _make_neutral(norm.bnorm)


def _fill_sequence(modules: nn.Sequential, name: str, weights: dict[str, Tensor]) -> None:
    for number, module in enumerate(modules):
        norm = modules[number + 1] if number + 1 < len(modules) else None
        if isinstance(module, nn.Linear):
            _copy(module, f"{name}.{number}", weights)
        elif isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.weight.copy_(weights[f"{name}.{number}.weight"])
            _make_neutral(norm)
            norm.bias.copy_(weights.get(f"{name}.{number}.bias", torch.zeros_like(norm.bias)))


def _copy(layer: nn.Conv2d | nn.Linear, name: str, weights: dict[str, Tensor]) -> None:
    layer.weight.copy_(weights[f"{name}.weight"])
    if layer.bias is not None:
        layer.bias.copy_(weights.get(f"{name}.bias", torch.zeros_like(layer.bias)))  # a file leaves out zeros


def _make_neutral(norm: Any) -> None:
    """Let a batch normalization return what it gets."""
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)
    norm.bias.zero_()
