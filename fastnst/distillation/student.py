"""The student of a distillation: a narrow VGG whose features, stretched, are as far apart as its teacher's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.perceptual.architectures import ARCHITECTURES, SLIM_TAPS, TORCHVISION
from fastnst.perceptual.network import PerceptualNetwork

_RIDGE = 1e-5  # of the mean eigenvalue: keeps the Cholesky factor finite if a channel dies


class _Convolution(torch.autograd.Function):
    """A 3×3 convolution whose input gradient is a convolution again.

    Autograd's own second derivative of a convolution takes a kernel as large as the picture; through this one it is
    made of ordinary convolutions, several times faster.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = F.conv2d(gradient, weight.flip(2, 3).transpose(0, 1), padding=1)
        if ctx.needs_input_grad[1]:
            for_weight = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False]
            )[1]
        if ctx.needs_input_grad[2]:
            for_bias = gradient.sum((0, 2, 3))
        return for_x, for_weight, for_bias


class TwiceDifferentiableConv(nn.Conv2d):
    """A trainable 3×3 convolution with zero padding, for losses on gradients."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)
        assert self.bias is not None
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        # Cast here: autocast is off when the gradient is computed, and both convolutions must agree.
        y: Tensor = _Convolution.apply(x.to(dtype), self.weight.to(dtype), self.bias.to(dtype))
        return y


def mix_channels(features: Tensor, matrix: Tensor) -> Tensor:
    """A 1×1 convolution of `[N, C, h, w]` with `matrix` `[D, C]`, as a product, which is twice differentiable fast."""
    mixed = features.permute(0, 2, 3, 1) @ matrix.T.to(features.dtype)
    return mixed.permute(0, 3, 1, 2)


class Student(nn.Module):
    """A trunk with random weights and, for each tap, a linear projection P to the teacher's channels.

    The projections are what the features are matched through, F_teacher ≈ P f. If that holds, then
    ‖F_teacher − F'_teacher‖ ≈ ‖P (f − f')‖ = ‖R (f − f')‖ for any R with RᵀR = PᵀP, and for Gram matrices
    ‖P ΔG Pᵀ‖ = ‖R ΔG Rᵀ‖. So the Cholesky factor R of PᵀP, a square 1×1 convolution on the narrow features, makes
    content and style terms those of the teacher without ever computing its many channels: the network's read-outs.

    Args:
        teacher: gives the channels of the taps.
        taps: layers to match.
    """

    def __init__(self, teacher: PerceptualNetwork, taps: tuple[str, ...] = SLIM_TAPS) -> None:
        super().__init__()
        self.taps = taps
        self.trunk = PerceptualNetwork(ARCHITECTURES["slim"], TORCHVISION, name="slim")
        for layer, convolution in self.trunk.convolutions.items():
            assert isinstance(convolution, nn.Conv2d)
            self.trunk.convolutions[layer] = TwiceDifferentiableConv(convolution.in_channels, convolution.out_channels)
        self.trunk.convolutions.to(memory_format=torch.channels_last)
        self.projections = nn.ParameterDict(
            {tap: nn.Parameter(torch.randn(teacher.channels(tap), self.trunk.channels(tap)) * 0.05) for tap in taps}
        )
        # The teacher's features reach hundreds: a parameter of that size would take Adam ten thousand steps.
        for tap in taps:
            self.register_buffer(self._scale(tap), torch.ones(()))

    @torch.no_grad()
    def calibrate(self, teacher: Mapping[str, Tensor]) -> None:
        """Take the root mean squares of the teacher's features as the projections' unit."""
        for tap in self.taps:
            getattr(self, self._scale(tap)).copy_(teacher[tap].float().square().mean().sqrt())

    @staticmethod
    def _scale(tap: str) -> str:
        return f"scale_{tap}"

    def projection(self, tap: str) -> Tensor:
        """P of a tap, `[C, c]`, in the teacher's unit."""
        projection: Tensor = self.projections[tap] * getattr(self, self._scale(tap))
        return projection

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The trunk's own features at the taps, `{tap: [N, c, h, w]}`."""
        return self.trunk.features(images, self.taps)

    def project(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features in the teacher's channels, `{tap: [N, C, h, w]}`."""
        return {tap: mix_channels(found, self.projection(tap)) for tap, found in features.items()}

    def read(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features through the read-outs: what the finished network gives."""
        factors = self.read_outs()
        return {tap: mix_channels(found, factors[tap]) for tap, found in features.items()}

    def read_outs(self) -> dict[str, Tensor]:
        """R of each tap, `[c, c]` float32. No gradient flows to P, which is fitted by the features alone."""
        with torch.autocast(self.projections[self.taps[0]].device.type, enabled=False):
            return {tap: self._read_out(self.projections[tap].detach().float()) for tap in self.taps}

    @staticmethod
    def _read_out(projection: Tensor) -> Tensor:
        metric = projection.T @ projection
        ridge = _RIDGE * metric.diagonal().mean() * torch.eye(len(metric), device=metric.device)
        factor: Tensor = torch.linalg.cholesky(metric + ridge)
        return factor.T

    @torch.no_grad()
    def finished(self) -> PerceptualNetwork:
        """The network as it is used: the trunk with its read-outs, in float32 on the CPU."""
        network = PerceptualNetwork(ARCHITECTURES["slim"], TORCHVISION, name="slim", readouts=self.taps)
        network.convolutions.load_state_dict(self.trunk.convolutions.state_dict())
        for tap, factor in self.read_outs().items():
            readout = network.readouts[tap]
            assert isinstance(readout, nn.Conv2d)
            readout.weight.copy_(factor[:, :, None, None])
        return network
