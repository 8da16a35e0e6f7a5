"""Speed of our L-BFGS reference against a plain implementation of the same recipe in eager fp32 PyTorch, in one run.

    python benchmarks/reference.py PHOTO PAINTING --perceptual-weights FILE [--size 384 --steps 200]

The plain one is written as tutorials write it: float32, default memory layout, Gram by two matrix products under
autograd, torch.optim.LBFGS with its default history of 100, 20 inner iterations a call. Both minimize the same relative
objective from the photo; the final objective of both is measured the same way, in float32, on the clipped picture.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from command_line import build_parser, run_command, write_json
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.perceptual.architectures import ConvSpec
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.reference.config import Settings, prepare
from fastnst.reference.inputs import open_tensor
from fastnst.reference.optimize import OptimizeConfig, optimize


class Plain:
    """The recipe without any of our measures."""

    def __init__(self, network: PerceptualNetwork, config: ObjectiveConfig, photo: Tensor, painting: Tensor) -> None:
        self.network, self.config = network, config
        with torch.no_grad():
            self.content = self.features(photo)[config.content_layers[0]]
            self.grams = {name: self.gram(self.features(painting)[name]) for name in config.style_layers}

    def features(self, image: Tensor) -> dict[str, Tensor]:
        x = image.flip(1) * self.network._gain - self.network._shift
        found = {}
        for name, spec in self.network.layers:
            if isinstance(spec, ConvSpec):
                layer = self.network.convolutions[name]
                x = F.conv2d(x, layer.weight, layer.bias, padding=1)
            else:
                x = F.relu(x) if spec is None else F.max_pool2d(x, 2)
            found[name] = x
            if name == self.config.layers[-1]:
                return found
        return found

    @staticmethod
    def gram(features: Tensor) -> Tensor:
        flat = features.flatten(2)
        return flat @ flat.transpose(1, 2) / flat.shape[2]

    def loss(self, image: Tensor) -> Tensor:
        found = self.features(image)
        content = (found[self.config.content_layers[0]] - self.content).pow(2).sum() / self.content.pow(2).sum()
        style = sum(
            (self.gram(found[name]) - target).pow(2).sum() / target.pow(2).sum() for name, target in self.grams.items()
        )
        return content + self.config.style_weight * style / len(self.grams)

    def run(self, photo: Tensor, steps: int) -> Tensor:
        image = photo.clone().requires_grad_()
        done = 0
        optimizer = torch.optim.LBFGS([image])

        def closure() -> Tensor:
            nonlocal done
            done += 1
            optimizer.zero_grad()
            loss = self.loss(image)
            loss.backward()
            return loss

        while done < steps:
            optimizer.step(closure)
        return image.detach().clamp(0, 1)


def main() -> int:
    parser = build_parser(__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("painting", type=Path)
    parser.add_argument("--perceptual-weights")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    perceptual = PerceptualConfig(weights_file=options.perceptual_weights)
    photo, painting = (open_tensor(path, options.size) for path in (options.photo, options.painting))
    # The plain one goes first: ours changes how this process keeps freed memory.
    plain = Plain(build_perceptual(perceptual), ObjectiveConfig(), photo, painting)
    plain.loss(photo)
    started = time.perf_counter()
    plain_image = plain.run(photo, options.steps)
    plain_seconds = time.perf_counter() - started
    settings = Settings(perceptual=perceptual, size=options.size)
    objective = prepare(settings, [options.painting])
    started = time.perf_counter()
    ours_image = optimize(photo, objective, OptimizeConfig(steps=options.steps)).image
    ours_seconds = time.perf_counter() - started
    exact = Objective(build_perceptual(perceptual), ObjectiveConfig())
    exact.set_style([painting])
    target = exact.content_target(photo)
    with torch.no_grad():
        totals = [exact(image, target).total.item() for image in (plain_image, ours_image)]
    result = {
        "size": list(photo.shape[2:]), "steps": options.steps, "threads": torch.get_num_threads(),
        "plain_seconds": plain_seconds, "ours_seconds": ours_seconds, "speedup": plain_seconds / ours_seconds,
        "plain_objective": totals[0], "ours_objective": totals[1], "objective_ratio": totals[1] / totals[0],
    }  # fmt: skip
    write_json(result)
    return 0


if __name__ == "__main__":
    run_command(main)
