"""A perceptual network that nothing was learned with: always at hand, and independent of every training."""

from __future__ import annotations

import torch
from torch import nn

from fastnst.perceptual.architectures import ARCHITECTURES, TORCHVISION
from fastnst.perceptual.network import Padding, PerceptualNetwork

RANDOM = "random"
_SEED = 19


def random_filters(name: str, *, pooling: str = "max", padding: Padding = "zeros") -> PerceptualNetwork:
    """An architecture with orthogonal random filters, the same ones on every machine.

    Random filters see texture nearly as trained ones do (Ustyuzhaninov et al. 2017, "What does it take to generate
    natural textures?"), so they can serve as a second opinion on style where no other weights are at hand. They say
    little about what a picture shows.
    """
    network = PerceptualNetwork(ARCHITECTURES[name], TORCHVISION, pooling=pooling, padding=padding, name=name)
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for convolution in network.convolutions.values():
            assert isinstance(convolution, nn.Conv2d)
            assert convolution.bias is not None
            rows, columns = convolution.out_channels, convolution.weight[0].numel()
            square = torch.linalg.qr(torch.randn(max(rows, columns), min(rows, columns), generator=generator))[0]
            filters = square if rows > columns else square.T
            # A ReLU halves the power; the filters give it back (He et al. 2015).
            gain = (2 * max(rows, columns) / columns) ** 0.5 if rows > columns else 2**0.5
            convolution.weight.copy_((filters[:rows, :columns] * gain).view_as(convolution.weight))
            convolution.bias.zero_()
    return network
