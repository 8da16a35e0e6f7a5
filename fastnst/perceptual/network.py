"""Frozen perceptual networks, which measure pictures by their features, and the layer names of the field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.errors import ConfigError, suggest


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

Padding = Literal["zeros", "replicate"]
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


class PerceptualNetwork(nn.Module):
    """A frozen network read at named layers.

    `conv4_2` is a convolution's output, `relu4_2` the same after its ReLU, `pool4` after pooling. Weights start
    random; `fastnst.perceptual.build_perceptual` fills them. They never take gradients and never change mode.

    Args:
        layers: the layers in order, as in `ARCHITECTURES`.
        preprocessing: from RGB in [0, 1] to what the weights were trained on.
        pooling: `max` as trained, or `avg`, which Gatys et al. found to please the eye in synthesis.
        padding: `zeros` as trained, or `replicate`: a frame of zeros is a dark frame that deep layers see in every
            picture, and that what is trained on them answers with a frame of its own (Crowson's style-transfer-pytorch
            replicates at the first convolution for that).
        readouts: layers that are read through a 1×1 convolution without bias, as many channels out as in. A distilled
            network has them: they stretch its features so that distances between them are its teacher's.
    """

    _gain: Tensor
    _shift: Tensor

    def __init__(
        self,
        layers: tuple[Layer, ...],
        preprocessing: Preprocessing,
        *,
        pooling: str = "max",
        padding: Padding = "zeros",
        name: str = "custom",
        readouts: Iterable[str] = (),
    ) -> None:
        super().__init__()
        if pooling not in ("max", "avg"):
            raise ConfigError(f"unknown pooling '{pooling}': choose max or avg.")
        if padding not in ("zeros", "replicate"):
            raise ConfigError(f"unknown padding '{padding}': choose zeros or replicate.")
        self.name = name
        self.layers = layers
        self.preprocessing = preprocessing
        self.pooling, self.padding = pooling, padding
        self.convolutions = nn.ModuleDict()
        channels = 3
        for layer, spec in layers:
            if isinstance(spec, ConvSpec):
                self.convolutions[layer] = nn.Conv2d(
                    channels, spec.channels, spec.kernel, spec.stride, spec.padding, padding_mode=padding
                )
                channels = spec.channels
        self.readouts = nn.ModuleDict(
            {layer: nn.Conv2d(self.channels(layer), self.channels(layer), 1, bias=False) for layer in readouts}
        )
        gain = torch.tensor([preprocessing.scale / std for std in preprocessing.std])
        shift = torch.tensor([m / s for m, s in zip(preprocessing.mean, preprocessing.std, strict=True)])
        self.register_buffer("_gain", gain.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_shift", shift.view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    @property
    def layer_names(self) -> tuple[str, ...]:
        """All names that can be read, from the picture's side to the deepest."""
        return tuple(name for name, _ in self.layers)

    def check_layers(self, names: Iterable[str]) -> None:
        """Raise `ConfigError`, listing the valid names, for a layer that this network does not have."""
        for name in names:
            if name not in self.layer_names:
                raise ConfigError(
                    f"{self.name} has no layer '{name}'.{suggest(name, self.layer_names)}"
                    f" Its layers: {', '.join(self.layer_names)}."
                )

    def channels(self, name: str) -> int:
        """Number of channels of a layer's feature map."""
        self.check_layers([name])
        width = 3
        for layer, spec in self.layers:
            width = spec.channels if isinstance(spec, ConvSpec) else width
            if layer == name:
                return width
        raise AssertionError("unreachable: check_layers found the name")

    def smallest_input(self, names: Iterable[str]) -> int:
        """The smallest side in pixels at which every named layer still has at least one position."""
        deepest = self._deepest(names)
        for size in range(1, 1024):
            extent = size
            for _, spec in self.layers[: deepest + 1]:
                if isinstance(spec, ConvSpec):
                    extent = (extent + 2 * spec.padding - spec.kernel) // spec.stride + 1
                elif spec is not None:
                    extent = (extent - spec[0]) // spec[1] + 1
                if extent < 1:
                    break
            if extent >= 1:
                return size
        raise AssertionError("unreachable: no network here needs 1024 pixels")

    def _deepest(self, names: Iterable[str]) -> int:
        return max(self.layer_names.index(name) for name in names)

    def set_precision(self, dtype: torch.dtype) -> PerceptualNetwork:
        """Compute in `dtype` (float32 or bfloat16) from now on; returns self. Preprocessing stays in float32.

        Weights that were rounded once stay rounded: raises `ValueError` where a wider type is asked for.
        """
        now = next(self.convolutions.parameters()).dtype
        if torch.finfo(dtype).bits > torch.finfo(now).bits:
            raise ValueError(f"these weights were rounded to {now}: build the network anew for {dtype}")
        for part in (self.convolutions, self.readouts):
            part.to(dtype=dtype)
            part.to(memory_format=torch.channels_last)
        return self

    def features(self, images: Tensor, layers: Iterable[str], *, raw: Iterable[str] = ()) -> dict[str, Tensor]:
        """Feature maps `{name: [N, C, h, w]}` of float RGB images `[N, 3, H, W]` in [0, 1].

        One pass that stops at the deepest layer asked for. Gradients flow to the images. The maps have the
        precision of the network (`set_precision`); those named in `raw` come without their read-out. Raises
        `ConfigError` for an unknown layer or images that are too small for the deepest one.
        """
        wanted = set(layers)
        if not wanted:
            return {}
        self.check_layers(wanted)
        weight = next(self.convolutions.parameters())
        rgb_or_bgr = images.flip(1) if self.preprocessing.bgr else images
        x = rgb_or_bgr * self._gain - self._shift
        x = x.to(dtype=weight.dtype, memory_format=torch.channels_last)
        found: dict[str, Tensor] = {}
        for name, spec in self.layers[: self._deepest(wanted) + 1]:
            if isinstance(spec, ConvSpec):
                x = self._convolved(name, spec, x)
            elif spec is None:
                # In place unless the convolution's own output is asked for: nothing else reads it.
                x = torch.relu(x) if name.replace("relu", "conv") in wanted else torch.relu_(x)
            else:
                x = self._pool(x, spec, images)
            if name in wanted:
                found[name] = x if name in raw else self.read_out_features(name, x)
        return found

    def read_out_features(self, name: str, features: Tensor) -> Tensor:
        """R F: raw features `[N, C, h, w]` after the layer's read-out R, if it has one."""
        read: Tensor = self.readouts[name](features) if name in self.readouts else features
        return read

    def read_out_moments(self, name: str, second_moments: Tensor) -> Tensor:
        """R G Rᵀ: the same of second moments G `[N, C, C]` of raw features."""
        if name not in self.readouts:
            return second_moments
        weight = self.readouts[name].weight
        assert isinstance(weight, Tensor)
        matrix = weight[:, :, 0, 0].float()
        return matrix @ second_moments @ matrix.T

    def _convolved(self, name: str, spec: ConvSpec, x: Tensor) -> Tensor:
        convolution = self.convolutions[name]
        if self.padding == "zeros" or not x.is_cuda:
            found: Tensor = convolution(x)
            return found
        # PyTorch's own replication leaves the channels_last layout on CUDA, and its gradient adds up by atomics.
        continued = replicate(x, spec.padding)
        return F.conv2d(continued, convolution.weight, convolution.bias, spec.stride)  # type: ignore[arg-type]

    def _pool(self, x: Tensor, spec: tuple[int, int], images: Tensor) -> Tensor:
        if min(x.shape[-2:]) < spec[0]:
            raise ConfigError(
                f"an image of {images.shape[-1]}×{images.shape[-2]} pixels is too small for these layers of"
                f" {self.name}: use larger pictures or shallower layers."
            )
        return F.max_pool2d(x, *spec) if self.pooling == "max" else F.avg_pool2d(x, *spec)


def replicate(x: Tensor, padding: int) -> Tensor:
    """Maps `[N, C, H, W]` continued by their outermost values, as by `F.pad(mode="replicate")`, in their layout."""
    above, below = x[:, :, :1], x[:, :, -1:]
    x = torch.cat([*(above,) * padding, x, *(below,) * padding], 2)
    left, right = x[..., :1], x[..., -1:]
    return torch.cat([*(left,) * padding, x, *(right,) * padding], 3)
