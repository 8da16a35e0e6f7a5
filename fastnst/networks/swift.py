"""Our own style network: most of the work at a quarter of the resolution, in dense 3×3 convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from fastnst.errors import ConfigError
from fastnst.networks.base import ConvBlock, InstanceNorm, StyleNetwork, UpsampleBlock, to_unit_range


class SwiftBlock(nn.Module):
    """A residual block with one normalization: conv, InstanceNorm, ReLU, conv.

    Half the normalizations of `ResidualBlock`: on every device they cost memory traffic, not arithmetic.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = ConvBlock(channels, channels, norm=False, relu=False)
        # A residual branch that starts small keeps the first steps stable without the second normalization.
        weight = self.second[0].weight
        assert isinstance(weight, Tensor)
        if not weight.is_meta:  # where there are no numbers to draw, torch would load its compiler for it, a second
            nn.init.normal_(weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(self.first(x))
        return y


class Swift(StyleNetwork):
    """Fold 4×4 pixels into channels, residual blocks at a quarter of the size, a head that refines on the way up.

    The stem is a pixel-unshuffle and a 3×3 convolution: it sees the 12×12 pixels that a 9×9 and two strided
    convolutions see, at a twentieth of their cost, and loses nothing. The head goes up by bilinear resize-convolutions
    with refinements at half and at full resolution: a constant feature map stays constant on the way up, so a 2×2 or
    4×4 grid cannot come from it (a pixel shuffle, which we tried first, learns one bias for each of its sub-pixels
    and weaves it into flat regions).

    Args:
        width: channels at a quarter of the resolution, a multiple of 32 (matrix units work in tiles).
        blocks: number of residual blocks.
    """

    stride = 4
    _reduces_early = False  # to the last channels before the last upsampling, not after it

    def __init__(self, width: int = 64, blocks: int = 5) -> None:
        if width % 32 or width <= 0:
            raise ConfigError(f"the swift network's width must be a multiple of 32, not {width}.")
        super().__init__(width=width, blocks=blocks)
        half, full = width // 2, width // 4
        last = full if self._reduces_early else half
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(4),
            ConvBlock(48, width),
            ConvBlock(width, width),
            *(SwiftBlock(width) for _ in range(blocks)),
            InstanceNorm(width),
            nn.ReLU(),
            UpsampleBlock(width, half, mode="bilinear"),
            ConvBlock(half, last),
            UpsampleBlock(last, full, mode="bilinear", norm=False),
            ConvBlock(full, 3, norm=False, relu=False),
        )

    def paint(self, images: Tensor) -> Tensor:
        """Restyle float RGB `[N, 3, H, W]` in [0, 1]; H and W multiples of 4."""
        return to_unit_range(self.layers(images * 2 - 1))


class SwiftS(Swift):
    """`swift` for weak machines and browsers: half the width, a model file of half a megabyte.

    Its channels are halved before the last upsampling: at this width the full resolution costs more than the rest.
    """

    _reduces_early = True

    def __init__(self, width: int = 32, blocks: int = 4) -> None:
        super().__init__(width, blocks)
