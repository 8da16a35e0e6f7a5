"""MobileNetV2 (Sandler et al. 2018, table 2) as a pyramid of features, its modules numbered as usual."""

from __future__ import annotations

from torch import Tensor, nn

# (expansion, channels, blocks, stride of the first block)
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM = 32
# The last module of each resolution: 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture.
_LEVELS = (1, 3, 6, 13, 18)


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, to a multiple of 8, at least 8, and not more than a tenth below what was asked."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, project; the input is added where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [] if expansion == 1 else _convolution(inputs, hidden, kernel=1)
        layers += _convolution(hidden, hidden, kernel=3, stride=stride, groups=hidden)
        layers += _convolution(hidden, outputs, kernel=1)[:2]  # the projection is linear
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """The feature part of MobileNetV2.

    Args:
        width: multiplies all channels but the last ones.
        top: channels at 1/32 of the picture.
    """

    def __init__(self, width: float = 1.0, top: int = 1280) -> None:
        super().__init__()
        channels = scaled(_STEM, width)
        modules: list[nn.Module] = [nn.Sequential(*_convolution(3, channels, kernel=3, stride=2))]
        outputs = [channels]
        for expansion, base, blocks, stride in _STAGES:
            for block in range(blocks):
                wider = scaled(base, width)
                modules.append(InvertedResidual(channels, wider, stride if block == 0 else 1, expansion))
                channels = wider
                outputs.append(channels)
        modules.append(nn.Sequential(*_convolution(channels, top, kernel=1)))
        outputs.append(top)
        self.features = nn.Sequential(*modules)
        self.channels = [outputs[level] for level in _LEVELS]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of `[N, 3, H, W]`."""
        found = []
        for number, module in enumerate(self.features):
            x = module(x)
            if number in _LEVELS:
                found.append(x)
        return found


def _convolution(inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU6()]
