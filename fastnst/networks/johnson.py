"""The network of Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style Transfer" (2016)."""

from __future__ import annotations

from torch import Tensor

from fastnst.networks.base import StyleNetwork, residual_autoencoder, to_unit_range


class Johnson(StyleNetwork):
    """Downsample by 4, residual blocks, upsample by 4: the field's consensus (9×9-32, 64, 128, five blocks).

    With width 32 and 5 blocks it has the layers of pytorch/examples' network. Deviations from the paper:
    InstanceNorm for BatchNorm, resize-convolutions for transposed ones, reflection padding in every convolution
    instead of one wide border.

    Args:
        width: channels at full resolution; twice and four times as many below. 16 is the "half-width" network.
        blocks: number of residual blocks at a quarter of the resolution.
    """

    stride = 4

    def __init__(self, width: int = 32, blocks: int = 5) -> None:
        super().__init__(width=width, blocks=blocks)
        self.layers = residual_autoencoder(width, blocks, kernel=9)

    def paint(self, images: Tensor) -> Tensor:
        """Restyle float RGB `[N, 3, H, W]` in [0, 1]; H and W multiples of 4."""
        return to_unit_range(self.layers(images * 2 - 1))
