"""A network for its exported graph: what needs no computing is computed, and full resolution is met once."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.networks.base import ConvBlock, StyleNetwork, UpsampleBlock
from fastnst.networks.enlarging import gathering_filters, interleaved, ungathered, unmixed


class FoldedUpsample(nn.Module):
    """An `UpsampleBlock` with the filters of the small map.

    Args:
        block: of mode `bilinear`.
        interleaves: False leaves the four pixels of each in channels, for a `FoldedLast`.
    """

    def __init__(self, block: UpsampleBlock, *, interleaves: bool) -> None:
        super().__init__()
        filters, biases = block.on_the_small_map()
        self.filters = _fixed(filters)
        self.biases = None if biases is None else _fixed(biases)
        self.conv = block.conv
        self.interleaves = interleaves

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` to the enlarged map."""
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.filters, self.biases)
        return self.conv.finish(interleaved(x) if self.interleaves else x)


class FoldedLast(nn.Module):
    """The last convolution, on the map of a `FoldedUpsample` that does not interleave.

    At full resolution it has few channels, for which no device has fast convolutions, and the largest map to pad.
    Continuing the small map by its outermost values is reflecting the large one.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.gathering = _fixed(gathering_filters(convolution.weight.detach()))
        assert convolution.bias is not None
        self.gathered = _fixed(convolution.bias.repeat_interleave(4))

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 4 C, H, W]` to `[N, 3, 2 H, 2 W]`."""
        return interleaved(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.gathering, self.gathered))


def _fixed(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach(), requires_grad=False)


def folded(network: StyleNetwork) -> StyleNetwork:
    """The network with these blocks in place of its own; it paints the same, and can no longer be trained."""
    for parent in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        blocks = list(parent)
        for index, block in enumerate(blocks):
            if not isinstance(block, UpsampleBlock) or block.mode != "bilinear":
                continue
            last = (
                _plain_convolution(blocks[-1]) if index == len(blocks) - 2 and _plain_convolution(block.conv) else None
            )
            parent[index] = FoldedUpsample(block, interleaves=last is None)
            if last is not None:
                parent[index + 1] = FoldedLast(last)
    return network


def _plain_convolution(block: nn.Module) -> nn.Conv2d | None:
    """The 3×3 convolution of a block without normalization; None for any other."""
    if not isinstance(block, ConvBlock) or any(isinstance(layer, nn.GroupNorm) for layer in block):
        return None
    convolution = block[0]
    assert isinstance(convolution, nn.Conv2d)
    return convolution if convolution.kernel_size == (3, 3) and convolution.stride == (1, 1) else None


def unfolded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network by their names in training, of those that `folded` leaves.

    Raises `ValueError` for some of another shape than it gives them.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        prefix, _, last = name.rpartition(".")
        if last == "filters":
            found[f"{prefix}.conv.0.weight"] = unmixed(tensor)
        elif last == "biases":
            found[f"{prefix}.conv.0.bias"] = _one_of_four(tensor)
        elif last == "gathering":
            found[f"{prefix}.0.weight"] = ungathered(tensor)
        elif last == "gathered":
            found[f"{prefix}.0.bias"] = _one_of_four(tensor)
        else:
            found[name] = tensor
    return found


def _one_of_four(biases: Tensor) -> Tensor:
    """`[O]` of `[4 O]`."""
    if biases.ndim != 1 or len(biases) % 4:
        raise ValueError(f"biases of the shape {list(biases.shape)}")
    return biases[::4].clone()
