"""MODNet (Ke et al. 2022, "MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition").

The full configuration has the parameter names and shapes of the authors' checkpoints, so that these can be loaded and
fine-tuned; the small one is what ships.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.errors import ConfigError
from fastnst.matting.backbone import MobileNetV2

STRIDE = 32
_SQUEEZE = 4  # reduction of the squeeze-and-excitation block


@dataclass
class MattingOptions:
    """The network's size; the defaults are the small network's.

    Attributes:
        width: multiplies MobileNetV2's channels; 1 in the paper.
        top: channels at 1/32 of the picture; 1280 in the paper.
        detail: channels of the detail and fusion branches; 32 in the paper.
    """

    width: float = 0.75
    top: int = 320
    detail: int = 16

    def validate(self) -> None:
        """Raise `ConfigError` for sizes that make no network."""
        if not 0.1 <= self.width <= 4:
            raise ConfigError(f"width must be between 0.1 and 4, not {self.width}.")
        for name, value in (("top", self.top), ("detail", self.detail)):
            if value < 8 or value % 8:
                raise ConfigError(f"{name} must be a positive multiple of 8, not {value}.")


PAPER = MattingOptions(width=1.0, top=1280, detail=32)


class Mattes(NamedTuple):
    """The outputs of the three branches for `[N, 3, H, W]`, each in [0, 1].

    Attributes:
        semantic: where people are, `[N, 1, H/16, W/16]`; None if not asked for.
        detail: the alpha near their outlines, `[N, 1, H, W]`; None if not asked for.
        alpha: the alpha matte, `[N, 1, H, W]`.
    """

    semantic: Tensor | None
    detail: Tensor | None
    alpha: Tensor


class IBNorm(nn.Module):
    """Batch normalization for the first half of the channels, instance normalization for the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batch_channels = channels // 2
        self.bnorm = nn.BatchNorm2d(self.batch_channels)
        self.inorm = nn.InstanceNorm2d(channels - self.batch_channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, instance = x[:, : self.batch_channels], x[:, self.batch_channels :]
        if self.training and not x.is_cuda:
            return torch.cat((self.bnorm(_innermost(batch)), _normalized_singly(_innermost(instance))), dim=1)
        return torch.cat((self.bnorm(batch), self.inorm(instance)), dim=1)


def _innermost(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _normalized_singly(x: Tensor) -> Tensor:
    """Instance normalization, as a batch normalization of each picture by itself.

    torch's own leaves channels_last on the CPU: this way a training step of the whole network is a quarter faster.
    """
    return torch.cat([F.batch_norm(picture, None, None, training=True) for picture in torch.tensor_split(x, len(x))])


class Block(nn.Module):
    """Convolution, IBNorm, ReLU; `plain` leaves the latter two out."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, plain: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)]
        if not plain:
            layers += [IBNorm(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class SqueezeExcitation(nn.Module):
    """Weigh the channels by what the whole picture holds (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = channels // _SQUEEZE
        self.fc = nn.Sequential(
            nn.Linear(channels, reduced, bias=False), nn.ReLU(), nn.Linear(reduced, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.fc(x.mean(dim=(2, 3)))
        return x * weights[:, :, None, None]


class Backbone(nn.Module):
    """Holds the pyramid under the name `model`, as the authors' checkpoints do."""

    def __init__(self, model: MobileNetV2) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.model(image)
        return levels


class SemanticBranch(nn.Module):
    """The coarse branch: people at low resolution (the checkpoints' `lr_branch`)."""

    def __init__(self, backbone: Backbone, channels: list[int]) -> None:
        super().__init__()
        self.backbone = backbone  # the authors' checkpoints hold the backbone here, too
        self.se_block = SqueezeExcitation(channels[4])
        self.conv_lr16x = Block(channels[4], channels[3], 5)
        self.conv_lr8x = Block(channels[3], channels[2], 5)
        self.conv_lr = Block(channels[2], 1, 3, stride=2, plain=True)

    def forward(self, deepest: Tensor) -> Tensor:
        sixteenth = self.conv_lr16x(doubled(self.se_block(deepest)))
        eighth: Tensor = self.conv_lr8x(doubled(sixteenth))
        return eighth


class DetailBranch(nn.Module):
    """Outlines, at high resolution (the checkpoints' `hr_branch`)."""

    def __init__(self, detail: int, channels: list[int]) -> None:
        super().__init__()
        self.tohr_enc2x = Block(channels[0], detail, 1)
        self.conv_enc2x = Block(detail + 3, detail, 3, stride=2)
        self.tohr_enc4x = Block(channels[1], detail, 1)
        self.conv_enc4x = Block(2 * detail, 2 * detail, 3)
        # The paper's network has 2 × 32 + 32 + 3 inputs here: its semantic features happen to have `detail` channels.
        quarter = 2 * detail + channels[2] + 3
        self.conv_hr4x = nn.Sequential(
            Block(quarter, 2 * detail, 3), Block(2 * detail, 2 * detail, 3), Block(2 * detail, detail, 3)
        )
        self.conv_hr2x = nn.Sequential(
            Block(2 * detail, 2 * detail, 3),
            Block(2 * detail, detail, 3),
            Block(detail, detail, 3),
            Block(detail, detail, 3),
        )
        self.conv_hr = nn.Sequential(Block(detail + 3, detail, 3), Block(detail, 1, 1, plain=True))

    def forward(self, image: Tensor, half: Tensor, quarter: Tensor, semantic: Tensor) -> Tensor:
        half = self.tohr_enc2x(half)
        x = self.conv_enc2x(torch.cat((scaled_to(image, 1 / 2), half), dim=1))
        x = self.conv_enc4x(torch.cat((x, self.tohr_enc4x(quarter)), dim=1))
        x = self.conv_hr4x(torch.cat((x, doubled(semantic), scaled_to(image, 1 / 4)), dim=1))
        detail: Tensor = self.conv_hr2x(torch.cat((doubled(x), half), dim=1))
        return detail


class FusionBranch(nn.Module):
    """Both together: the alpha matte (the checkpoints' `f_branch`)."""

    def __init__(self, detail: int, channels: list[int]) -> None:
        super().__init__()
        self.conv_lr4x = Block(channels[2], detail, 5)
        self.conv_f2x = Block(2 * detail, detail, 3)
        self.conv_f = nn.Sequential(Block(detail + 3, detail // 2, 3), Block(detail // 2, 1, 1, plain=True))

    def forward(self, image: Tensor, semantic: Tensor, detail: Tensor) -> Tensor:
        half = doubled(self.conv_lr4x(doubled(semantic)))
        fused = doubled(self.conv_f2x(torch.cat((half, detail), dim=1)))
        return torch.sigmoid(self.conv_f(torch.cat((fused, image), dim=1)))


class MattingNetwork(nn.Module):
    """RGB `[N, 3, H, W]` in [−1, 1], H and W multiples of 32, to `Mattes`."""

    def __init__(self, options: MattingOptions | None = None) -> None:
        super().__init__()
        self.options = options or MattingOptions()
        self.options.validate()
        model = MobileNetV2(self.options.width, self.options.top)
        self.backbone = Backbone(model)
        self.lr_branch = SemanticBranch(self.backbone, model.channels)
        self.hr_branch = DetailBranch(self.options.detail, model.channels)
        self.f_branch = FusionBranch(self.options.detail, model.channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor, *, all_branches: bool = False) -> Mattes:
        """The alpha matte and, with `all_branches`, what the other two branches predict (for training)."""
        levels = self.backbone(image)
        eighth = self.lr_branch(levels[4])
        outlines = self.hr_branch(image, levels[0], levels[1], eighth)
        alpha = self.f_branch(image, eighth, outlines)
        if not all_branches:
            return Mattes(None, None, alpha)
        semantic = torch.sigmoid(self.lr_branch.conv_lr(eighth))
        detail = torch.sigmoid(self.hr_branch.conv_hr(torch.cat((doubled(outlines), image), dim=1)))
        return Mattes(semantic, detail, alpha)


def doubled(x: Tensor) -> Tensor:
    """Twice the resolution, bilinear."""
    return scaled_to(x, 2)


def scaled_to(x: Tensor, factor: float) -> Tensor:
    """`factor` times the resolution, bilinear, as MODNet does it (no antialiasing)."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
