"""Frozen perceptual networks, which measure pictures by their features, and the layer names of the field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.errors import ConfigError, suggest
from fastnst.kernels import kernels_work
from fastnst.kernels.vgg import activated, pooled
from fastnst.perceptual.architectures import ConvSpec, Layer, Preprocessing

Padding = Literal["zeros", "replicate"]


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

    @property
    def _is_vgg(self) -> bool:
        """Whether it is 3×3 convolutions that keep the size, a ReLU after each, and 2×2 max pooling after some."""
        specs = [spec for _, spec in self.layers]
        shapes = [(spec.kernel, spec.stride, spec.padding) if isinstance(spec, ConvSpec) else spec for spec in specs]
        letters = "".join({(3, 1, 1): "c", None: "r", (2, 2): "p"}.get(shape, "?") for shape in shapes)
        return self.pooling == "max" and re.fullmatch("(crp?)+", letters) is not None

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
        weights = list(self.convolutions.parameters())
        rgb_or_bgr = images.flip(1) if self.preprocessing.bgr else images
        x = rgb_or_bgr * self._gain - self._shift
        x = x.to(dtype=weights[0].dtype, memory_format=torch.channels_last)
        is_frozen = not any(weight.requires_grad for weight in weights)
        if is_frozen and self._is_vgg and kernels_work(x.device):
            maps = self._fused_features(x, wanted)
            return {name: one if name in raw else self.read_out_features(name, one) for name, one in maps.items()}
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

    def _fused_features(self, x: Tensor, wanted: set[str]) -> dict[str, Tensor]:
        """What `features` finds, read-outs left out: a VGG on a GPU, its layers joined (see `kernels.vgg`)."""
        names, images_size = self.layers[: self._deepest(wanted) + 1], tuple(x.shape[-2:])
        found: dict[str, Tensor] = {}
        rest, pad = iter(names), int(self.padding == "replicate")
        x = replicate(x, pad) if pad else x
        upcoming = next(rest, None)
        while upcoming is not None:
            name, _ = upcoming
            convolution = self.convolutions[name]
            weight, bias = convolution.weight, convolution.bias
            assert isinstance(weight, Tensor)
            assert isinstance(bias, Tensor)
            x = F.conv2d(x, weight, None, 1, 1 - pad)
            if name in wanted:
                x = found[name] = x + bias.view(1, -1, 1, 1)
                bias = torch.zeros_like(bias)
            relu, upcoming = next(rest, None), next(rest, None)
            if relu is None:
                break
            last = relu[0]
            is_pool = upcoming is not None and not isinstance(upcoming[1], ConvSpec)
            if is_pool and last in wanted:  # both maps are read: one step after the other
                x, _ = activated(x, bias, 0, whole=False)
                found[last], bias = x, torch.zeros_like(bias)
            if is_pool:
                assert upcoming is not None
                self._check_size(x, 2, images_size)
                last, upcoming = upcoming[0], next(rest, None)
            join = pooled if is_pool else activated
            goes_on = upcoming is not None
            x, whole = join(x, bias, pad if goes_on else 0, whole=goes_on and bool(pad) and last in wanted)
            if last in wanted:
                found[last] = x if whole is None else whole
        return found

    def _convolved(self, name: str, spec: ConvSpec, x: Tensor) -> Tensor:
        convolution = self.convolutions[name]
        if self.padding == "zeros" or not x.is_cuda:
            found: Tensor = convolution(x)
            return found
        # PyTorch's own replication leaves the channels_last layout on CUDA, and its gradient adds up by atomics.
        continued = replicate(x, spec.padding)
        return F.conv2d(continued, convolution.weight, convolution.bias, spec.stride)  # type: ignore[arg-type]

    def _pool(self, x: Tensor, spec: tuple[int, int], images: Tensor) -> Tensor:
        self._check_size(x, spec[0], images.shape[-2:])
        return F.max_pool2d(x, *spec) if self.pooling == "max" else F.avg_pool2d(x, *spec)

    def _check_size(self, x: Tensor, kernel: int, images_size: tuple[int, ...]) -> None:
        """Raise `ConfigError` for maps that pooling would leave nothing of."""
        if min(x.shape[-2:]) < kernel:
            height, width = images_size
            raise ConfigError(
                f"an image of {width}×{height} pixels is too small for these layers of"
                f" {self.name}: use larger pictures or shallower layers."
            )


def replicate(x: Tensor, padding: int) -> Tensor:
    """Maps `[N, C, H, W]` continued by their outermost values, as by `F.pad(mode="replicate")`, in their layout."""
    above, below = x[:, :, :1], x[:, :, -1:]
    x = torch.cat([*(above,) * padding, x, *(below,) * padding], 2)
    left, right = x[..., :1], x[..., -1:]
    return torch.cat([*(left,) * padding, x, *(right,) * padding], 3)
