"""The bundled perceptual network's worth: pictures optimized with it, measured by its teacher, in one run.

    python benchmarks/perceptual.py PHOTOS PAINTINGS --perceptual-weights FILE [--count 8] [--size 256] [--steps 100]

Photos and paintings (folders) should be ones that the distillation did not see. For each pair: (a) the teacher's
objective of pictures that L-BFGS made with the teacher, with `slim` and, with --yardstick FILE, with the compressed
VGG-19 of Collaborative Distillation (its encoder_relu5_1.pth), for the same number of iterations from the photo;
(b) the cosine of slim's and the teacher's gradients with respect to the pixels, at the photo and on the way;
(c) seconds a step of both, interleaved; (d) a contact sheet. Prints a JSON; --output writes it and the sheet.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from command_line import build_parser, run_command, write_json
from fastnst.contact_sheet import Cell, contact_sheet
from fastnst.hardware import bf16_is_fast, default_device, keep_freed_memory
from fastnst.images.arrays import from_unit_floats
from fastnst.images.encode import save_image
from fastnst.images.folders import find_images
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.perceptual import PerceptualConfig, PerceptualNetwork, build_perceptual
from fastnst.perceptual.architectures import TORCHVISION, ConvSpec, vgg_layers
from fastnst.reference.inputs import open_tensor
from fastnst.reference.optimize import OptimizeConfig, optimize


def yardstick(path: Path) -> PerceptualNetwork:
    """The compressed VGG-19 of Wang et al. (CVPR 2020), with its own widths, preprocessing and reflection padding."""
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["model"]
    blocks: dict[str, list[int]] = {}
    for name, tensor in state.items():
        if name.endswith(".weight") and "aux" not in name and name != "conv0.weight":
            blocks.setdefault(name[4], []).append(len(tensor))
    network = PerceptualNetwork(vgg_layers(tuple(map(tuple, blocks.values()))), TORCHVISION, name="compressed")
    network._gain, network._shift = torch.ones(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    for layer, spec in network.layers:
        if isinstance(spec, ConvSpec):
            convolution = network.convolutions[layer]
            own = layer.replace("_", "")
            weight, bias = state[f"{own}.weight"], state[f"{own}.bias"]
            if layer == "conv1_1":  # conv0 is a linear preprocessing of the three channels: folded in
                mix, shift = state["conv0.weight"][:, :, 0, 0], state["conv0.bias"]
                bias = bias + torch.einsum("oihw,i->o", weight, shift)
                weight = torch.einsum("oihw,ic->ochw", weight, mix)
            convolution.weight.copy_(weight)
            convolution.bias.copy_(bias)
            convolution.padding_mode = "reflect"
            convolution._reversed_padding_repeated_twice = [1, 1, 1, 1]
    return network


def objective_of(network: PerceptualNetwork, painting: Tensor) -> Objective:
    objective = Objective(network, ObjectiveConfig())
    objective.set_style([painting])
    return objective


def gradient(objective: Objective, image: Tensor, photo: Tensor) -> Tensor:
    seen = image.clone().requires_grad_()
    objective(seen, objective.content_target(photo)).total.sum().backward()
    assert seen.grad is not None
    return seen.grad.flatten()


def seconds_a_step(objectives: list[Objective], photo: Tensor, repeats: int = 15) -> list[float]:
    """Median seconds of one evaluation with its gradient, interleaved."""
    targets = [objective.content_target(photo) for objective in objectives]
    times: list[list[float]] = [[] for _ in objectives]
    for repeat in range(repeats + 2):
        for objective, target, seconds in zip(objectives, targets, times, strict=True):
            seen = photo.clone().requires_grad_()
            started = time.perf_counter()
            objective(seen, target).total.sum().backward()
            if repeat >= 2:
                seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in times]


def measure_pair(
    networks: dict[str, PerceptualNetwork], photo: Tensor, painting: Tensor, steps: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """One photo and one painting: the figures and the pictures."""
    objectives = {name: objective_of(network, painting) for name, network in networks.items()}
    teacher = objectives["vgg19"]
    target = teacher.content_target(photo)
    pictures = {name: optimize(photo, one, OptimizeConfig(steps=steps)).image for name, one in objectives.items()}
    figures: dict[str, Any] = {}
    with torch.no_grad():
        for name, picture in {"photo": photo, **pictures}.items():
            figures[name] = teacher(picture.to(photo.device), target).floats()
    halfway = (photo + pictures["vgg19"].to(photo.device)) / 2
    for where, image in (("photo", photo), ("halfway", halfway)):
        gradients = [gradient(objectives[name], image, photo) for name in ("slim", "vgg19")]
        figures[f"gradient_cosine_{where}"] = float(F.cosine_similarity(*gradients, dim=0))
    figures["ratio"] = figures["slim"]["total"] / figures["vgg19"]["total"]
    figures["seconds"] = dict(
        zip(("vgg19", "slim"), seconds_a_step([teacher, objectives["slim"]], photo, repeats=5), strict=True)
    )
    return figures, pictures


def main() -> int:
    parser = build_parser(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("paintings", type=Path)
    parser.add_argument("--perceptual-weights", help="the teacher's weights (default: downloaded)")
    parser.add_argument("--slim", help="a slim.safetensors (default: the one that ships)")
    parser.add_argument("--yardstick", type=Path, help="the compressed VGG-19's encoder_relu5_1.pth")
    parser.add_argument("--count", type=int, default=8, help="pairs (default: 8)")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--output", type=Path, help="folder for perceptual.json and perceptual.jpg")
    options = parser.parse_args()
    keep_freed_memory()
    device = default_device()
    networks = {
        "vgg19": build_perceptual(PerceptualConfig(weights_file=options.perceptual_weights)),
        "slim": build_perceptual(PerceptualConfig("slim", weights_file=options.slim)),
    }
    if options.yardstick:
        networks["compressed"] = yardstick(options.yardstick)
    for network in networks.values():
        network.to(device).set_precision(torch.bfloat16 if bf16_is_fast(device) else torch.float32)
    paintings = find_images([options.paintings])
    photos = find_images([options.photos])
    photos = photos[:: max(1, len(photos) // options.count)]
    results, rows = [], []
    for photo_file, painting_file in itertools.islice(zip(photos, itertools.cycle(paintings)), options.count):
        photo, painting = (open_tensor(path, options.size).to(device) for path in (photo_file, painting_file))
        figures, pictures = measure_pair(networks, photo, painting, options.steps)
        results.append({"photo": photo_file.name, "painting": painting_file.name, **figures})
        row: list[Cell] = [(shown(photo), ""), (shown(painting), "")]
        row += [(shown(picture), f"{name}: {figures[name]['total']:.2f}") for name, picture in pictures.items()]
        rows.append(row)
        sys.stderr.write(f"{photo_file.name} × {painting_file.name}: ratio {figures['ratio']:.2f}\n")
    result = summary(results, options)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "perceptual.json").write_text(json.dumps({**result, "pairs": results}, indent=2))
        save_image(contact_sheet(rows, cell=256), options.output / "perceptual.jpg", overwrite=True)
    write_json(result)
    return 0


def shown(tensor: Tensor) -> Image.Image:
    return from_unit_floats(tensor[0].cpu().numpy())


def summary(results: list[dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    """Means over the pairs."""
    names = [name for name in ("photo", "vgg19", "slim", "compressed") if name in results[0]]
    seconds = {name: statistics.median(one["seconds"][name] for one in results) for name in ("vgg19", "slim")}
    return {
        "pairs": len(results), "size": options.size, "steps": options.steps,
        "objective": {name: statistics.mean(one[name]["total"] for one in results) for name in names},
        "ratio_of_means": statistics.mean(one["slim"]["total"] for one in results)
        / statistics.mean(one["vgg19"]["total"] for one in results),
        "mean_ratio": statistics.mean(one["ratio"] for one in results),
        "worst_ratio": max(one["ratio"] for one in results),
        "gradient_cosine": {
            where: statistics.mean(one[f"gradient_cosine_{where}"] for one in results) for where in ("photo", "halfway")
        },
        "milliseconds_a_step": {name: 1e3 * value for name, value in seconds.items()},
        "cost_ratio": seconds["vgg19"] / seconds["slim"],
    }  # fmt: skip


if __name__ == "__main__":
    run_command(main)
