"""The ResNet generator of CycleGAN (Zhu et al. 2017), without its checkerboards."""

from __future__ import annotations

from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.networks.base import StyleNetwork, residual_autoencoder, to_unit_range


class CycleGANGenerator(StyleNetwork):
    """c7-64, d128, d256, six or nine residual blocks of 256, u128, u64, c7-3: strong, and slow.

    Deviation from the paper: resize-convolutions for the transposed ones, whose uneven overlap draws
    checkerboards (Odena et al. 2016).

    Args:
        width: channels at full resolution.
        blocks: 6 (for 128-pixel training pictures) or 9 (for 256 and more), as in the paper.
    """

    stride = 4

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        if blocks not in (6, 9):
            raise ConfigError(f"the cyclegan network has 6 or 9 blocks, not {blocks}.")
        super().__init__(width=width, blocks=blocks)
        self.layers = residual_autoencoder(width, blocks, kernel=7)

    def paint(self, images: Tensor) -> Tensor:
        """Restyle float RGB `[N, 3, H, W]` in [0, 1]; H and W multiples of 4."""
        return to_unit_range(self.layers(images * 2 - 1))
