"""What follows a convolution of a VGG, as one GPU kernel each way: bias, ReLU, 2×2 max pooling, padding.

A convolution of a VGG takes a GPU less time than the passes over memory after it: PyTorch adds the bias, clips at zero,
pools (with indices of eight bytes) and pads in a pass each, and goes the same way back. Here what follows a convolution
is read once and written once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fastnst.kernels.launch import block_grid, empty_map, in_rows, kernel

_BLOCK = 1024  # elements of a row that a program writes


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, pad: int, whole: bool) -> tuple[Tensor, Tensor | None]:
        x = in_rows(x)
        count, channels, height, width = x.shape
        padded = empty_map(x, height + 2 * pad, width + 2 * pad)
        maps = empty_map(x, height, width) if whole else None
        grid = block_grid(count * (height + 2 * pad), (width + 2 * pad) * channels, _BLOCK)
        target = padded if maps is None else maps
        kernel("vgg_triton", "activate_rows", grid)(
            x, bias, padded, target, height, width, channels, pad, whole, _BLOCK
        )
        ctx.save_for_backward(padded)
        ctx.size = (height, width, channels, pad)
        return padded, maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None, None]:
        return _back("activate_back", ctx, gradients), None, None, None


class _Pooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, pad: int, whole: bool) -> tuple[Tensor, Tensor | None]:
        x = in_rows(x)
        count, channels, height, width = x.shape
        padded = empty_map(x, height // 2 + 2 * pad, width // 2 + 2 * pad)
        maps = empty_map(x, height // 2, width // 2) if whole else None
        chosen = empty_map(x, height // 2, width // 2, torch.int8)
        grid = block_grid(count * (height // 2 + 2 * pad), (width // 2 + 2 * pad) * channels, _BLOCK)
        target = padded if maps is None else maps
        kernel("vgg_triton", "pool_rows", grid)(
            x, bias, padded, target, chosen, height, width, channels, pad, whole, _BLOCK
        )
        ctx.save_for_backward(chosen)
        ctx.size = (height, width, channels, pad)
        return padded, maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None, None]:
        return _back("pool_back", ctx, gradients), None, None, None


def _back(name: str, ctx: Any, gradients: tuple[Tensor | None, ...]) -> Tensor:
    """The gradient `[N, C, H, W]` of a convolution's output, by a kernel that reads what the forward pass kept."""
    (kept,) = ctx.saved_tensors
    height, width, channels, pad = ctx.size
    of_padded, of_whole = _both(gradients)
    out = empty_map(of_padded, height, width)
    grid = block_grid(len(kept) * height, width * channels, _BLOCK)
    other = of_padded if of_whole is None else of_whole
    kernel("vgg_triton", name, grid)(
        of_padded, other, kept, out, height, width, channels, pad, of_whole is not None, _BLOCK
    )
    return out


def _both(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor, Tensor | None]:
    """The gradients of the padded and of the whole map, in the layout that the kernels read."""
    of_padded, of_whole = gradients
    assert of_padded is not None  # autograd makes zeros of a gradient that nobody asked for
    return in_rows(of_padded), None if of_whole is None else in_rows(of_whole)


def activated(x: Tensor, bias: Tensor, pad: int, *, whole: bool) -> tuple[Tensor, Tensor | None]:
    """ReLU of a convolution's output plus its bias, padded by its outermost values.

    Args:
        x: `[N, C, H, W]` on a GPU.
        bias: `[C]`; it gets no gradient.
        pad: 0 or 1.
        whole: whether the map without padding is wanted too.

    Returns the padded map, and the whole one or None.
    """
    return _Activated.apply(x, bias, pad, whole)  # type: ignore[no-any-return]


def pooled(x: Tensor, bias: Tensor, pad: int, *, whole: bool) -> tuple[Tensor, Tensor | None]:
    """`activated` with 2×2 max pooling before the padding; an odd last row or column is left out, as by PyTorch."""
    return _Pooled.apply(x, bias, pad, whole)  # type: ignore[no-any-return]
