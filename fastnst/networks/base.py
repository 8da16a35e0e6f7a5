"""What all style networks share: the contract, size rules as data, and the artifact-free building blocks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.kernels import kernels_work
from fastnst.kernels.norm import continued, normalized, reflected
from fastnst.networks.enlarging import enlarging_filters, enlarging_mixture, interleaved
from fastnst.networks.light import keep_light


class StyleNetwork(nn.Module):
    """Float RGB `[N, 3, H, W]` in [0, 1] to the same shape and range.

    H and W must be multiples of `stride` and at least 16; the exported style model pads and crops so
    that its users need not care. `options` rebuilds the network: `type(network)(**network.options)`.
    """

    stride: ClassVar[int]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options: dict[str, Any] = options

    def forward(self, images: Tensor) -> Tensor:
        """Restyle float RGB `[N, 3, H, W]` in [0, 1], and keep its light (see `networks.light`)."""
        return keep_light(images, self.paint(images))

    def paint(self, images: Tensor) -> Tensor:
        """What the layers make of float RGB `[N, 3, H, W]` in [0, 1]: the same shape and range."""
        raise NotImplementedError


class InstanceNorm(nn.GroupNorm):
    """Affine instance normalization without running statistics (Ulyanov et al. 2016), `[N, C, H, W]`.

    Trained as group normalization with one channel a group, the same formula, whose forward kernel on the CPU is up to
    three times faster (4×32×256×256 in float32 on two cores: 4 ms against 13). Exported as the one ONNX operator
    InstanceNormalization.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        if (
            self.weight.ndim == 2
        ):  # each sample's own, `[N, C]` (`affines.restyle_each`): the batch as one of N·C channels
            joined = x.reshape(1, -1, *x.shape[2:])
            groups = joined.shape[1]
            return F.group_norm(joined, groups, self.weight.flatten(), self.bias.flatten(), self.eps).view(x.shape)
        if self.runs_as_kernel(x):
            return normalized(x, self.weight, self.bias, self.eps, relu=False)
        return super().forward(x)

    def runs_as_kernel(self, x: Tensor) -> bool:
        """Whether `kernels.norm` can do it: the same weights for all samples, on a GPU, and no export."""
        return self.weight.ndim == 1 and not torch.compiler.is_exporting() and kernels_work(x.device)


class ConvBlock(nn.Sequential):
    """Reflection-padded convolution, then InstanceNorm and ReLU where asked for.

    Reflection rather than zeros: a frame of zeros is a feature that a network learns to draw.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        norm: bool = True,
        relu: bool = True,
    ) -> None:
        # A bias before InstanceNorm would be subtracted again.
        layers: list[nn.Module] = [
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=not norm, padding_mode="reflect")
        ]
        if norm:
            layers.append(InstanceNorm(channels_out))
        if relu:
            layers.append(nn.ReLU())
        super().__init__(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` to the maps of its convolution."""
        convolution = self[0]
        assert isinstance(convolution, nn.Conv2d)
        if torch.compiler.is_exporting() or not kernels_work(x.device):
            return self.finish(convolution(x))
        x = reflected(x, int(convolution.padding[0]))
        return self.finish(F.conv2d(x, convolution.weight, convolution.bias, convolution.stride))

    def finish(self, x: Tensor) -> Tensor:
        """What comes after the convolution: InstanceNorm and ReLU, if it has them."""
        norm, relu = self._norm, isinstance(self[-1], nn.ReLU)
        if norm is None:
            return torch.relu(x) if relu else x
        if norm.runs_as_kernel(x):
            return normalized(x, norm.weight, norm.bias, norm.eps, relu=relu)
        x = norm(x)
        return torch.relu(x) if relu else x

    @property
    def _norm(self) -> InstanceNorm | None:
        found = [layer for layer in self if isinstance(layer, InstanceNorm)]
        return found[0] if found else None


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut, no ReLU after the addition (Gross & Wilber 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = ConvBlock(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(self.first(x))
        return y


class UpsampleBlock(nn.Module):
    """Upsampling by 2, then a convolution (Odena et al. 2016): no checkerboard by construction.

    Nearest-neighbour upsampling is what they propose. `bilinear` leaves no block edges either, which a network with
    few layers at full resolution cannot smooth: with `nearest`, the energy of `swift` at a quarter of the sampling
    frequency stayed about four times that of a photo. It runs as one convolution (see `networks.enlarging`); beyond
    the borders the small map is continued by its outermost values, and the large one is not reflected.
    """

    _mixture: Tensor

    def __init__(self, channels_in: int, channels_out: int, *, mode: str = "nearest", norm: bool = True) -> None:
        super().__init__()
        self.mode = mode
        self.conv = ConvBlock(channels_in, channels_out, norm=norm)
        self.register_buffer("_mixture", enlarging_mixture(), persistent=False)

    def on_the_small_map(self) -> tuple[Tensor, Tensor | None]:
        """Filters and biases of the convolution of the small map, for `bilinear`."""
        convolution = self.conv[0]
        assert isinstance(convolution, nn.Conv2d)
        bias = None if convolution.bias is None else convolution.bias.repeat_interleave(4)
        return enlarging_filters(convolution.weight, self._mixture), bias

    def forward(self, x: Tensor) -> Tensor:
        if self.mode != "bilinear":
            enlarged: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode=self.mode))
            return enlarged
        filters, bias = self.on_the_small_map()
        works = not torch.compiler.is_exporting() and kernels_work(x.device)
        x = continued(x) if works else F.pad(x, (1, 1, 1, 1), mode="replicate")
        return self.conv.finish(interleaved(F.conv2d(x, filters, bias)))


def residual_autoencoder(width: int, blocks: int, kernel: int) -> nn.Sequential:
    """Down by 4, residual blocks, up by 4: the shape that Johnson's network and CycleGAN's generator share.

    `width` channels at full resolution and four times as many at a quarter of it; `kernel` is the side of the first and
    the last convolution.
    """
    return nn.Sequential(
        ConvBlock(3, width, kernel),
        ConvBlock(width, 2 * width, stride=2),
        ConvBlock(2 * width, 4 * width, stride=2),
        *(ResidualBlock(4 * width) for _ in range(blocks)),
        UpsampleBlock(4 * width, 2 * width),
        UpsampleBlock(2 * width, width),
        ConvBlock(width, 3, kernel, norm=False, relu=False),
    )


def to_unit_range(x: Tensor) -> Tensor:
    """A network's last activation: a tanh of amplitude 150/255 around the middle, clipped to [0, 1].

    Johnson et al. (2016) scale their tanh to ±150 on a 0-255 scale, so that pure black and white can be reached
    before the slope is gone.
    """
    return (torch.tanh(x) * (150 / 255) + 0.5).clamp(0, 1)
