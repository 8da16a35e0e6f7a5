"""Read the convolutions of a published perceptual network from the formats that people have."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from fastnst.errors import ConfigError, MissingDependencyError

# Errors of reading a file of tensors that is another one, or damaged.
UNREADABLE = (
    OSError, SafetensorError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError,
    OverflowError, MemoryError, UnpicklingError,
)  # fmt: skip
_MAX_ELEMENTS = 1 << 24  # numbers of one tensor; the largest of VGG-19 has 2,359,296
_FORMATS = "a torchvision .pth, a Keras no-top .h5 or a fastnst .safetensors"


def read_convolutions(path: Path) -> dict[str, Tensor]:
    """Weights and biases as `{"features.<index>.weight": float32 [O, I, K, K], …}` from a weights file.

    Takes torchvision state dicts (.pth, .pt; loaded with `weights_only=True`), Keras "notop" files (.h5) and
    .safetensors with torchvision's names. Classifier weights are dropped.

    Raises `ConfigError` for a missing, foreign or damaged file.
    """
    if not os.path.isfile(path):
        raise ConfigError(f"the perceptual weights file {path} does not exist.")
    readers = {".pth": _read_torch, ".pt": _read_torch, ".h5": _read_keras, ".safetensors": _read_safetensors}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is not a weights file that fastnst reads: give {_FORMATS}.")
    try:
        state = reader(path)
    except UNREADABLE as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{path} cannot be read as perceptual weights ({detail[:120]}): give {_FORMATS}.") from error
    return {name: tensor.float() for name, tensor in state.items() if name.startswith("features.")}


def unpickled(path: Path) -> dict[str, Any]:
    """The content of a .ckpt or .pth, tensors and plain values by name: nothing in it can run code, nor print.

    Raises one of `UNREADABLE`, also for a file that unpacks to more than it is, or holds anything but a dictionary.
    """
    _check_extent(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch reports odd pickles, line by line
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):  # a tensor would take names for indices
        raise ValueError("it holds no state dict")
    return content


def _check_extent(path: Path) -> None:
    """Raise `ValueError` for a .ckpt or .pth that unpacks to more than it is.

    Torch writes plain records, and reads compressed ones as well: a few megabytes may stand for gigabytes.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(record.file_size for record in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError("it is damaged") from error
    if unpacked > path.stat().st_size:
        raise ValueError("it unpacks to more than it is")


def _read_torch(path: Path) -> dict[str, Tensor]:
    content = unpickled(path)
    state = content.get("state_dict", content)
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _read_keras(path: Path) -> dict[str, Tensor]:
    """Keras stores `blockB_convK` groups with HWIO kernels; torchvision numbers layers through and wants OIHW."""
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError('reading .h5 weights needs h5py: pip install "fastnst[train]".') from error
    kernels: dict[tuple[int, int], Tensor] = {}
    biases: dict[tuple[int, int], Tensor] = {}

    def visit(name: str, item: object) -> None:
        match = re.search(r"block(\d)_conv(\d)", name)
        if match and isinstance(item, h5py.Dataset):
            if item.external is not None or item.is_virtual:
                raise ValueError(f"the numbers of {name} lie in another file")
            if item.size > _MAX_ELEMENTS:  # what is not in the file is read as zeros
                raise ValueError(f"{name} has {item.size:,} numbers")
            key = (int(match[1]), int(match[2]))
            (kernels if item.ndim == 4 else biases)[key] = torch.from_numpy(item[()])

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    if not kernels or kernels.keys() != biases.keys():
        raise ValueError("it holds no block1_conv1, block1_conv2, … of a Keras VGG")
    state: dict[str, Tensor] = {}
    index, previous_block = 0, 1
    for block, position in sorted(kernels):
        if block != previous_block:  # the pooling layer between two blocks takes a number too
            index, previous_block = index + 1, block
        state[f"features.{index}.weight"] = kernels[block, position].permute(3, 2, 0, 1).contiguous()
        state[f"features.{index}.bias"] = biases[block, position]
        index += 2  # the convolution and its ReLU
    return state
