"""A device that is not the CPU and refuses the CPU's tensors beside its own, as CUDA does, where there is no GPU.

Values are computed on the CPU, so results are real; times mean nothing. Stricter than CUDA in one thing: indices on the
CPU are refused as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

# The one type of device but the CPU's for which PyTorch needs no driver and runs `backward` without a stream.
DEVICE = torch.device("lazy")
_COPIES = ("aten::_to_copy", "aten::copy_")
_READ = "aten::_local_scalar_dense"


class _OnDevice(torch.Tensor):
    """A tensor that says it is on the device and holds its values on the CPU."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> _OnDevice:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=DEVICE, requires_grad=inner.requires_grad,
        )  # fmt: skip
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _computed(func, args, kwargs or {})


class SimulatedGpu(TorchDispatchMode):
    """While it is entered, tensors can be moved to `DEVICE`. `waits` counts the values that were read back."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.waits += func._schema.name == _READ
        return _computed(func, args, kwargs or {})


@contextlib.contextmanager
def simulated_gpu(patch: pytest.MonkeyPatch) -> Iterator[SimulatedGpu]:
    """What measures pictures and optimizes them runs on the device until the block ends."""
    autocast = torch.autocast

    def unless_ours(device: str, **options: Any) -> Any:
        return contextlib.nullcontext() if device == DEVICE.type else autocast(device, **options)

    patch.setattr("fastnst.reference.config.default_device", lambda: DEVICE)
    patch.setattr(torch, "autocast", unless_ours)
    with SimulatedGpu() as device:
        yield device


def _computed(func: Any, args: Any, kwargs: Any) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, _OnDevice)]
    asked = kwargs.get("device")
    name = func._schema.name
    if ours and name not in _COPIES:
        for tensor in tensors:
            # CUDA takes single values of the CPU, and nothing else.
            if tensor.ndim and not isinstance(tensor, _OnDevice):
                raise RuntimeError(f"{name}: a tensor {list(tensor.shape)} is on the CPU, others are on the device")
    result = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if func._schema.is_mutable:
        changed = {id(tensor.inner): tensor for tensor in ours}
        return tree_map(lambda one: changed.get(id(one), one), result)
    there = asked.type == DEVICE.type if isinstance(asked, torch.device) else bool(ours)
    return tree_map(_wrapped, result) if there else result


def _inner(value: Any) -> Any:
    if isinstance(value, _OnDevice):
        return value.inner
    return torch.device("cpu") if isinstance(value, torch.device) and value == DEVICE else value


def _wrapped(value: Any) -> Any:
    return _OnDevice(value) if isinstance(value, torch.Tensor) else value
