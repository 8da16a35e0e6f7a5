"""The layers of the perceptual networks, by the names of the field, and what they expect of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConvSpec:
    """One convolution: output channels, kernel, stride, padding, and its index in torchvision's `features`."""

    channels: int
    kernel: int
    stride: int
    padding: int
    index: int


@dataclass(frozen=True)
class Preprocessing:
    """Conversion of RGB in [0, 1] to a network's input: `(x · scale − mean) / std`, channels reversed for BGR."""

    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool


# The original Caffe networks take BGR in 0-255 minus the mean of ImageNet (Simonyan & Zisserman 2014).
CAFFE = Preprocessing(255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), bgr=True)
TORCHVISION = Preprocessing(1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), bgr=False)

# A block lists the widths of its convolutions; a 2×2 pooling ends each block but the last.
_VGG_BLOCKS = {
    "vgg19": ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
    "vgg16": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
}
_POOL_2 = (2, 2)  # kernel, stride
_POOL_3 = (3, 2)  # AlexNet's overlapping pooling

Layer = tuple[str, ConvSpec | tuple[int, int] | None]


def vgg_layers(blocks: tuple[tuple[int, ...], ...]) -> tuple[Layer, ...]:
    """The layers of a VGG in order: `conv1_1`, `relu1_1`, …, `pool1`, `conv2_1`, … through the last ReLU."""
    layers: list[Layer] = []
    index = 0
    for number, widths in enumerate(blocks, start=1):
        for position, width in enumerate(widths, start=1):
            layers.append((f"conv{number}_{position}", ConvSpec(width, 3, 1, 1, index)))
            layers.append((f"relu{number}_{position}", None))
            index += 2
        if number < len(blocks):
            layers.append((f"pool{number}", _POOL_2))
            index += 1
    return tuple(layers)


_ALEXNET: tuple[Layer, ...] = (
    ("conv1", ConvSpec(64, 11, 4, 2, 0)),
    ("relu1", None),
    ("pool1", _POOL_3),
    ("conv2", ConvSpec(192, 5, 1, 2, 3)),
    ("relu2", None),
    ("pool2", _POOL_3),
    ("conv3", ConvSpec(384, 3, 1, 1, 6)),
    ("relu3", None),
    ("conv4", ConvSpec(256, 3, 1, 1, 8)),
    ("relu4", None),
    ("conv5", ConvSpec(256, 3, 1, 1, 10)),
    ("relu5", None),
)

# VGG-19 through conv5_1 at three eighths of its width, a half and more where maps are small: errors add up with depth,
# and at an eighth and a sixteenth of the resolution width costs little.
_SLIM_BLOCKS = ((24,) * 2, (48,) * 2, (96,) * 4, (192, 192, 256, 256), (384,))
# Where `slim` was matched with its teacher: the layers that style transfer reads.
SLIM_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "conv4_2", "relu4_2", "relu5_1")

ARCHITECTURES: dict[str, tuple[Layer, ...]] = {
    "slim": vgg_layers(_SLIM_BLOCKS),
    "vgg19": vgg_layers(_VGG_BLOCKS["vgg19"]),
    "vgg16": vgg_layers(_VGG_BLOCKS["vgg16"]),
    "alexnet": _ALEXNET,
}
