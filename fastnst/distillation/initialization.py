"""A start for the student: the teacher's most informative channels, its weights fitted to reproduce them.

Layer by layer, channels are chosen whose activations span those of all others best (pivoted Cholesky of their Gram
matrix), and the student's convolution is the least-squares fit from its own, already narrow, input to the teacher's
responses of these channels (as He, Zhang & Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV
2017, reconstruct a pruned layer). Everything is in closed form and takes a minute.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastnst.distillation.student import Student
from fastnst.perceptual.architectures import ConvSpec
from fastnst.perceptual.network import PerceptualNetwork

_SAMPLED_POSITIONS = 512  # sampled of each picture and layer
_RIDGE = 1e-2  # of the mean of the normal equations' diagonal


@torch.no_grad()
def start_from_teacher(student: Student, teacher: PerceptualNetwork, images: Tensor) -> None:
    """Fill the student's weights and projections in place.

    Args:
        images: float RGB `[N, 3, S, S]` in [0, 1]; a few dozen are enough.
    """
    student.calibrate(teacher.features(images[:8], student.taps))
    positions = torch.Generator().manual_seed(0)
    taught, own = _preprocessed(teacher, images), _preprocessed(student.trunk, images)
    widest = max(student.trunk.layer_names.index(tap) for tap in student.taps)
    for layer, spec in student.trunk.layers[: widest + 1]:
        if isinstance(spec, ConvSpec):
            taught = _convolved(teacher.convolutions[layer], taught)
            chosen = informative_channels(torch.relu(taught), spec.channels)
            convolution = student.trunk.convolutions[layer]
            assert isinstance(convolution, nn.Conv2d)
            wanted = taught[:, chosen]
            # Channels of unit size: the teacher's reach hundreds, and Adam moves every weight by the same amount.
            unit = torch.relu(wanted).square().mean(dim=(0, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)
            _fit(convolution, own, wanted / unit, positions)
            own = _convolved(convolution, own)
        elif spec is None:
            taught, own = torch.relu(taught), torch.relu(own)
        else:
            taught, own = F.max_pool2d(taught, *spec), F.max_pool2d(own, *spec)
        if layer in student.taps:
            unit = getattr(student, f"scale_{layer}")
            student.projections[layer].copy_(least_squares(_rows(own), _rows(taught)).T / unit)


@torch.no_grad()
def start_from_network(
    student: Student, teacher: PerceptualNetwork, images: Tensor, network: PerceptualNetwork
) -> None:
    """Go on with a finished `network`: its weights, and projections fitted to the teacher anew.

    Args:
        images: float RGB `[N, 3, S, S]` in [0, 1]; a few dozen are enough.
    """
    student.trunk.convolutions.load_state_dict(network.convolutions.state_dict())
    student.calibrate(teacher.features(images[:8], student.taps))
    rows: dict[str, tuple[list[Tensor], list[Tensor]]] = {tap: ([], []) for tap in student.taps}
    for batch in images.split(8):
        own, taught = student.features(batch), teacher.features(batch, student.taps)
        for tap in student.taps:
            rows[tap][0].append(_rows(own[tap]))
            rows[tap][1].append(_rows(taught[tap]))
    for tap, (inputs, outputs) in rows.items():
        unit = getattr(student, f"scale_{tap}")
        student.projections[tap].copy_(least_squares(torch.cat(inputs), torch.cat(outputs)).T / unit)


def informative_channels(activations: Tensor, count: int) -> Tensor:
    """The indices of `count` channels of `[N, C, h, w]` that span the others best, most informative first."""
    rows = _rows(activations).double()
    residual = rows.T @ rows / len(rows)
    chosen: list[int] = []
    for _ in range(count):
        # What a channel explains of all: the squared column over its own energy.
        energy = residual.diagonal().clamp_min(0)
        explained = residual.square().sum(0) / energy.clamp_min(1e-9 * float(energy.max()) + 1e-30)
        explained[chosen] = -1
        best = int(explained.argmax())
        chosen.append(best)
        column = residual[:, best] / residual[best, best].clamp_min(1e-30).sqrt()
        residual = residual - torch.outer(column, column)
    return torch.tensor(chosen)


def least_squares(inputs: Tensor, outputs: Tensor) -> Tensor:
    """W `[A, B]` that minimizes ‖inputs W − outputs‖² for rows `[M, A]` and `[M, B]`, slightly damped."""
    a, b = inputs.double(), outputs.double()
    normal = a.T @ a
    damping = _RIDGE * normal.diagonal().mean() * torch.eye(len(normal), dtype=normal.dtype)
    solution: Tensor = torch.linalg.solve(normal + damping, a.T @ b).float()
    return solution


def _fit(convolution: nn.Conv2d, inputs: Tensor, responses: Tensor, generator: torch.Generator) -> None:
    """Set a 3×3 convolution's weights to the least-squares fit from `inputs` to `responses`."""
    patches, wanted = [], []
    for x, y in zip(inputs, responses, strict=True):
        columns = F.unfold(x[None], 3, padding=1)[0]  # [9·C, positions]
        index = torch.randperm(columns.shape[1], generator=generator)[:_SAMPLED_POSITIONS]
        patches.append(columns[:, index].T)
        wanted.append(y.flatten(1)[:, index].T)
    rows = torch.cat(patches)
    # The bias is a constant input, of the others' size so that the damping does not favour either.
    constant = torch.full((len(rows), 1), float(rows.square().mean().sqrt()))
    solution = least_squares(torch.cat([rows, constant], dim=1), torch.cat(wanted))
    convolution.weight.copy_(solution[:-1].T.reshape(convolution.weight.shape))
    assert convolution.bias is not None
    convolution.bias.copy_(solution[-1] * constant[0])


def _rows(features: Tensor) -> Tensor:
    """`[N, C, h, w]` as `[M, C]`, thinned to about `_SAMPLED_POSITIONS` a picture."""
    step = max(1, int((features.shape[2] * features.shape[3] / _SAMPLED_POSITIONS) ** 0.5))
    return features[:, :, ::step, ::step].permute(0, 2, 3, 1).flatten(0, 2).float()


def _convolved(convolution: nn.Module, x: Tensor) -> Tensor:
    """The convolution's output picture by picture, in float32, which bounds the memory."""
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    weight, bias = convolution.weight.float(), convolution.bias.float()
    return torch.cat([F.conv2d(one[None], weight, bias, padding=1) for one in x])


def _preprocessed(network: PerceptualNetwork, images: Tensor) -> Tensor:
    channels = images.flip(1) if network.preprocessing.bgr else images
    return channels * network._gain - network._shift
