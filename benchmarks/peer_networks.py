"""Networks of other projects in eager torch, written from their weight files and papers: what a peer's numbers mean.

Each is a function from float RGB `[1, 3, H, W]` in [0, 255] to the same, H and W multiples of 4; results may leave the
range. Operators are the ones that people run: reflection padding as an operator, nn.InstanceNorm2d's, float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = Mapping[str, Tensor]


class PlainJohnson(nn.Module):
    """The published network of pytorch/examples as its layer list describes it: 9×9-32, 64, 128, five residual
    blocks, nearest-neighbour upsampling, reflection padding, affine nn.InstanceNorm2d, biases everywhere.

    Float RGB `[N, 3, H, W]` in [0, 1] to the same, as all our networks; the scale to 255 of the original is linear.

    Args:
        head: `linear` as published, or `tanh`, the last activation of our `johnson`, whose weights it then can take.
    """

    stride = 4

    def __init__(self, width: int = 32, blocks: int = 5, head: str = "linear") -> None:
        super().__init__()
        wide = 4 * width
        self.down = nn.Sequential(*_unit(3, width, 9), *_unit(width, 2 * width, 3, 2), *_unit(2 * width, wide, 3, 2))
        self.blocks = nn.ModuleList(
            nn.Sequential(*_unit(wide, wide, 3), *_unit(wide, wide, 3)[:-1]) for _ in range(blocks)
        )
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2), *_unit(wide, 2 * width, 3),
            nn.Upsample(scale_factor=2), *_unit(2 * width, width, 3),
            nn.ReflectionPad2d(4), nn.Conv2d(width, 3, 9),
        )  # fmt: skip
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        x = self.down(images * 2 - 1)
        for block in self.blocks:
            x = x + block(x)
        y: Tensor = self.up(x)
        return (torch.tanh(y) * (150 / 255) + 0.5).clamp(0, 1) if self.head == "tanh" else y

    @torch.no_grad()
    def take(self, trained: nn.Module) -> PlainJohnson:
        """The weights of our `johnson`; its convolutions before a normalization have no bias, which is a zero here."""
        for kind, own in ((nn.Conv2d, nn.Conv2d), (nn.GroupNorm, nn.InstanceNorm2d)):
            pairs = zip(_modules(trained, kind), _modules(self, own), strict=True)
            for source, target in pairs:
                target.weight.copy_(source.weight)
                target.bias.copy_(torch.zeros_like(target.bias) if source.bias is None else source.bias)
        return self


def _unit(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(channels_in, channels_out, kernel, stride),
        nn.InstanceNorm2d(channels_out, affine=True),
        nn.ReLU(),
    ]


def _modules(network: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    return (module for module in network.modules() if isinstance(module, kind))


def tensorflow_fast_style(variables: State, x: Tensor) -> Tensor:
    """lengstrom/fast-style-transfer's network: every convolution is followed by weight, shift and scale of its norm.

    `variables` are TensorFlow's, `Variable` … `Variable_47`, kernels `[h, w, in, out]`; padding is TensorFlow's SAME,
    zeros and, for stride 2, more of them at the end.
    """
    names = itertools.chain(["Variable"], (f"Variable_{number}" for number in itertools.count(1)))

    def layer(x: Tensor, *, stride: int = 1, up: bool = False) -> Tensor:
        kernel, shift, scale = (variables[next(names)] for _ in range(3))
        if up:  # the gradient of a strided SAME convolution, whose one zero is at the end
            x = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), stride=2)[..., :-1, :-1]
        elif stride == 2:
            x = F.conv2d(F.pad(x, (0, 1, 0, 1)), kernel.permute(3, 2, 0, 1), stride=2)
        else:
            x = F.conv2d(x, kernel.permute(3, 2, 0, 1), padding=kernel.shape[0] // 2)
        return F.instance_norm(x, weight=scale, bias=shift, eps=1e-3)

    x = F.relu(layer(x))
    for _ in range(2):
        x = F.relu(layer(x, stride=2))
    for _ in range(5):
        x = x + layer(F.relu(layer(x)))
    for _ in range(2):
        x = F.relu(layer(x, up=True))
    return torch.tanh(layer(x)) * 150 + 127.5


def mobile_bottlenecks(state: State, x: Tensor) -> Tensor:
    """mmalotin/pytorch-fast-neural-style-mobilenetV2's network: separable convolutions with ReLU6 in between."""

    def bottleneck(x: Tensor, name: str, stride: int = 1) -> Tensor:
        y = F.relu6(_norm(state, f"{name}.in1", F.conv2d(x, state[f"{name}.conv1.weight"])))
        depthwise = state[f"{name}.conv2.weight"]
        y = F.conv2d(_reflect(y, 1), depthwise, stride=stride, groups=len(depthwise))
        y = F.relu6(_norm(state, f"{name}.in2", y))
        y = _norm(state, f"{name}.in3", F.conv2d(y, state[f"{name}.conv3.weight"]))
        return x + y if y.shape == x.shape else y

    x = F.relu(_norm(state, "in1", F.conv2d(_reflect(x, 4), state["conv1.weight"])))
    for name in ("conv2", "conv3"):
        x = bottleneck(x, name, stride=2)
    for number in range(1, 6):
        x = bottleneck(x, f"res{number}")
    for name in ("upconv1", "upconv2"):
        x = F.relu(bottleneck(F.interpolate(x, scale_factor=2), f"{name}.conv1"))
    return F.conv2d(_reflect(x, 4), state["conv4.weight"])


def residual_bottlenecks(state: State, x: Tensor) -> Tensor:
    """rrmina/fast-neural-style-pytorch's "ResNeXt" network: 1×1, 3×3, 1×1 in a block, transposed convolutions.

    It was trained on BGR; RGB goes in and comes out here.
    """

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv_layer.weight"]
        y = F.conv2d(_reflect(x, weight.shape[2] // 2), weight, state[f"{name}.conv_layer.bias"], stride)
        return _norm(state, f"{name}.norm_layer", y) if f"{name}.norm_layer.weight" in state else y

    x = x.flip(1)
    for number, stride in ((0, 1), (2, 2), (4, 2)):
        x = F.relu(layer(x, f"ConvBlock.{number}", stride))
    for number in range(5):
        y = x
        for part in ("conv1", "conv2", "conv3"):
            y = layer(y if part == "conv1" else F.relu(y), f"ResidualBlock.{number}.{part}")
        x = x + y
    for number in (0, 2):
        name = f"DeconvBlock.{number}"
        weight, bias = state[f"{name}.conv_transpose.weight"], state[f"{name}.conv_transpose.bias"]
        x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
        x = F.relu(_norm(state, f"{name}.norm_layer", x))
    return layer(x, "DeconvBlock.4").flip(1)


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])


def _reflect(x: Tensor, width: int) -> Tensor:
    return F.pad(x, (width,) * 4, mode="reflect") if width else x
