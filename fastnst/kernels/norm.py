"""Instance normalization with its ReLU, and padding, as GPU kernels that keep the channels_last layout.

A style network is small: on a GPU its training is as long as the number of its kernels. PyTorch's normalization wants
float32 and the other layout, so that each convolution is wrapped in copies; with these, which read and write what
convolutions do, a step takes half as many kernels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fastnst.kernels.launch import block_grid, empty_map, in_rows, kernel

_BLOCK = 1024  # elements of a row that a program writes
_TILE_ELEMENTS = 2048  # that a program holds at a time
_MOST_RUNS = 64  # runs of positions whose sums a program adds up


class _Runs:
    """How positions are shared out among programs.

    Attributes:
        channels: a power of two that holds them.
        tile, tiles: positions in a tile, and tiles in a run.
        count: runs of a map.
    """

    def __init__(self, positions: int, channels: int) -> None:
        self.channels = 1 << (channels - 1).bit_length()
        self.tile = max(1, _TILE_ELEMENTS // self.channels)
        needed = -(-positions // self.tile)
        tiles = max(4, -(-needed // _MOST_RUNS))
        self.tiles = 1 << (tiles - 1).bit_length()  # few kinds of kernels for many sizes
        self.count = -(-positions // (self.tile * self.tiles))


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, relu: bool) -> Tensor:
        x = in_rows(x)
        count, channels, height, width = x.shape
        positions = height * width
        runs = _Runs(positions, channels)
        partial = x.new_empty((count, runs.count, 2, channels), dtype=torch.float32)
        statistics = x.new_empty((count, 2, channels), dtype=torch.float32)
        y = torch.empty_like(x)
        grid, shared = (count, runs.count), (channels, runs.channels)
        kernel("norm_triton", "sum_rows", grid)(x, partial, positions, runs.count, *shared, runs.tile, runs.tiles)
        kernel("norm_triton", "normalize", grid)(
            x, partial, weight, bias, y, statistics, positions, runs.count, eps,
            *shared, _MOST_RUNS, relu, runs.tile, runs.tiles,
        )  # fmt: skip
        ctx.save_for_backward(x, weight, bias, statistics)
        ctx.relu = relu
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, bias, statistics = ctx.saved_tensors
        gradient = in_rows(gradients[0])
        count, channels, height, width = x.shape
        positions = height * width
        runs = _Runs(positions, channels)
        partial = x.new_empty((count, runs.count, 2, channels), dtype=torch.float32)
        sums = torch.empty_like(statistics)
        out = torch.empty_like(x)
        grid, shared, tiles = (count, runs.count), (channels, runs.channels), (runs.tile, runs.tiles)
        kernel("norm_triton", "sum_gradients", grid)(
            gradient, x, weight, bias, statistics, partial, positions, runs.count, *shared, ctx.relu, *tiles
        )
        kernel("norm_triton", "normalize_back", grid)(
            gradient, x, weight, bias, statistics, partial, out, sums, positions, runs.count,
            *shared, _MOST_RUNS, ctx.relu, *tiles,
        )  # fmt: skip
        of_bias, of_weight = sums.sum(0).to(weight.dtype)
        return out, of_weight, of_bias, None, None


class _Padded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int, edge: bool) -> Tensor:
        x = in_rows(x)
        count, channels, height, width = x.shape
        padded = empty_map(x, height + 2 * pad, width + 2 * pad)
        grid = block_grid(count * (height + 2 * pad), (width + 2 * pad) * channels, _BLOCK)
        kernel("norm_triton", "pad_rows", grid)(x, padded, height, width, channels, pad, edge, _BLOCK)
        ctx.size = (height, width, channels, pad, edge)
        return padded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = in_rows(gradients[0])
        height, width, channels, pad, edge = ctx.size
        out = empty_map(gradient, height, width)
        grid = block_grid(len(gradient) * height, width * channels, _BLOCK)
        kernel("norm_triton", "pad_back", grid)(gradient, out, height, width, channels, pad, edge, _BLOCK)
        return out, None, None


def normalized(x: Tensor, weight: Tensor, bias: Tensor, eps: float, *, relu: bool) -> Tensor:
    """Instance normalization (Ulyanov et al. 2016) of `[N, C, H, W]` with weights `[C]`, and a ReLU after it.

    Sums are float32; the result has x's precision and the channels_last layout.
    """
    return _Normalized.apply(x, weight, bias, eps, relu)  # type: ignore[no-any-return]


def reflected(x: Tensor, pad: int) -> Tensor:
    """`F.pad(x, [pad] * 4, "reflect")` of `[N, C, H, W]`, in the channels_last layout.

    Raises `ValueError` for a `pad` that is not less than H and W.
    """
    if pad >= min(x.shape[-2:]):
        raise ValueError(f"maps of {x.shape[-1]}×{x.shape[-2]} cannot be reflected by {pad}")
    return _Padded.apply(x, pad, False)  # type: ignore[no-any-return]


def continued(x: Tensor) -> Tensor:
    """`F.pad(x, [1] * 4, "replicate")` of `[N, C, H, W]`, in the channels_last layout."""
    return _Padded.apply(x, 1, True)  # type: ignore[no-any-return]
