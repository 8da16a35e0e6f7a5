"""What all kernels share: their launch, grids, and the layout of maps."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def kernel(module: str, name: str, grid: tuple[int, int]) -> Callable[..., None]:
    """A kernel, ready for its arguments. It runs on the first one's device: Triton's launch takes the current one."""
    run = getattr(_kernels(module), name)[grid]

    def launch(*arguments: Any) -> None:
        with torch.cuda.device_of(arguments[0]):
            run(*arguments)

    return launch


@functools.cache
def _kernels(module: str) -> Any:
    """A module of Triton kernels. Triton is imported where it is used: it takes long, and is not everywhere."""
    return importlib.import_module(f"fastnst.kernels.{module}")


def block_grid(rows: int, elements: int, block: int) -> tuple[int, int]:
    """Programs for rows of so many elements, a block each."""
    return rows, -(-elements // block)


def in_rows(x: Tensor) -> Tensor:
    """Maps `[N, C, H, W]` in the channels_last layout, in which a row of a map is one run of memory."""
    return x.contiguous(memory_format=torch.channels_last)


def empty_map(like: Tensor, height: int, width: int, dtype: torch.dtype | None = None) -> Tensor:
    """Room for as many maps of this size, in the layout of `in_rows`."""
    shape = (*like.shape[:2], height, width)
    return torch.empty(shape, dtype=dtype or like.dtype, device=like.device, memory_format=torch.channels_last)
