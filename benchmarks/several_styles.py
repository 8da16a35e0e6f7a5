"""Styles trained in one run against one after the other: pictures a second, and where the time goes.

    python benchmarks/several_styles.py [--styles 1 8] [--batch 4] [--size 256] [--perceptual slim] [--rounds 5]

Random networks and paintings; the steps are those of `fastnst train --styles`, with the recipe's objective, Muon and,
on a GPU, a CUDA graph. Told are milliseconds of forward and backward pass and of the optimizer, and pictures a second
(a photo counts once for every style). Each count is timed in the same process, taking turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from command_line import build_parser, run_command
from fastnst.errors import ConfigError
from fastnst.hardware import bf16_is_fast, default_device, describe_hardware
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.networks import build_network
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.trainer.optimizers import build_joint_optimizer
from fastnst.training.recorded_step import RecordedStep
from fastnst.training.side_by_side import measure_together

_OBJECTIVE = ObjectiveConfig(style_weight=8.0, tv_weight=2.0, periodicity_weight=2000.0)


class Together:
    """`count` styles on batches of `batch` photos."""

    def __init__(self, count: int, options: argparse.Namespace, device: torch.device) -> None:
        self.count, self.reduced = count, bf16_is_fast(device)
        perceptual = build_perceptual(
            PerceptualConfig(options.perceptual, weights_file=options.perceptual_weights, padding="replicate")
        ).to(device)
        perceptual.set_precision(torch.bfloat16 if self.reduced else torch.float32)
        self.objectives = [Objective(perceptual, _OBJECTIVE).to(device) for _ in range(count)]
        for objective in self.objectives:
            objective.set_style([torch.rand(1, 3, options.size, options.size, device=device)])
        self.networks = [build_network(options.network).to(device).train() for _ in range(count)]
        self.photos = torch.rand(options.batch, 3, options.size, options.size, device=device)
        parameters = [parameter for network in self.networks for parameter in network.parameters()]
        self.optimizer = build_joint_optimizer("muon", [(network, 1e-2) for network in self.networks])
        self.step = RecordedStep(self._forward_and_backward, parameters, self.photos)

    def _forward_and_backward(self, photos: Tensor) -> Tensor:
        measured = measure_together(self.networks, self.objectives, photos, seed=0, reduced=self.reduced)
        totals = torch.stack([terms.total for terms in measured])
        totals.sum().backward()
        return totals.detach()


def milliseconds(run: Callable[[], Any], device: torch.device) -> float:
    """One run, the device's work included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - started)


def measure(options: argparse.Namespace) -> str:
    """The table. Raises `ConfigError` for numbers that mean nothing."""
    if min([*options.styles, options.batch, options.rounds]) < 1:
        raise ConfigError("styles, batch and rounds must be at least 1.")
    device = default_device()
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    runs = [Together(count, options, device) for count in options.styles]
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in runs]
    for turn in range(options.rounds + 1):
        for run, (steps, moves) in zip(runs, times, strict=True):
            step = milliseconds(lambda one=run: one.step(one.photos), device)  # type: ignore[misc]
            move = milliseconds(run.optimizer.step, device)
            if turn:  # the first warms up
                steps.append(step)
                moves.append(move)
    lines = [describe_hardware(device, 1), f"{'styles':>6}{'batch':>7}{'step ms':>10}{'Muon ms':>10}{'pictures/s':>12}"]
    for run, (steps, moves) in zip(runs, times, strict=True):
        step, move = statistics.median(steps), statistics.median(moves)
        rate = 1e3 * run.count * options.batch / (step + move)
        lines.append(f"{run.count:>6}{options.batch:>7}{step:>10.1f}{move:>10.1f}{rate:>12.1f}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """0; raises `FastNSTError` for what a user can get wrong."""
    parser = build_parser(__doc__)
    parser.add_argument("--styles", type=int, nargs="+", default=[1, 8], metavar="COUNT")
    parser.add_argument("--batch", type=int, default=4, help="photos a step")
    parser.add_argument("--size", type=int, default=256, help="their side in pixels")
    parser.add_argument("--network", default="swift")
    parser.add_argument("--perceptual", default="slim", help="vgg19 is what styles that ship are trained with")
    parser.add_argument("--perceptual-weights", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=5)
    sys.stdout.write(measure(parser.parse_args()))
    return 0


if __name__ == "__main__":
    run_command(main)
