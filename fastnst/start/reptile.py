"""The start of all trainings: a network that belongs to no painting, from which every painting is few steps away.

Reptile (Nichol, Achiam & Schulman 2018, "On First-Order Meta-Learning Algorithms"): draw a painting, train on it for a
few steps by the recipe of a real training, and move the start a share of the way to where these steps ended.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import fastnst
from fastnst.checkpoints import load_network, network_name, save_network
from fastnst.errors import ConfigError, ModelError
from fastnst.hardware import bf16_is_fast, default_device, describe_hardware
from fastnst.input_files import expanded
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.term import NetworkPass
from fastnst.networks import StyleNetwork, build_network
from fastnst.output_files import write_atomically
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.start.paintings import Paintings
from fastnst.start.shipped import find_init
from fastnst.trainer.optimizers import build_optimizer, rate_factor
from fastnst.trainer.photos import Crops, open_source
from fastnst.training.settings import NetworkConfig

log = logging.getLogger(__name__)

_EDGE = 5  # steps whose mean is told as the beginning and the end of a painting's training
_GRADIENT_CLIP = 10.0  # as in every training here


@dataclass
class StartConfig:
    """How a start is learned.

    Attributes:
        paintings: folder of paintings to learn from.
        photos: as of a training: a folder, .parquet files, or a dataset of the hub.
        leave_out: base names of paintings that are kept as a test.
        output: folder of the run: `start.safetensors`, `state.safetensors` to go on from, `log.jsonl`.
        init: a trained network to begin from, a style's name or a file; None begins from random weights.
        network: the style network.
        perceptual: the perceptual network.
        objective: what is asked of a picture, as in the recipe of a training.
        tasks: paintings drawn in all.
        inner_steps: training steps on each.
        outer_rate: share of the way that the start moves after the first painting; it falls to 0 on a line.
        optimizer: of the inner steps, with a fresh state for each painting.
        learning_rate: its peak.
        warmup: share of the inner steps in which the rate rises.
        final_rate: the rate at the last inner step, as a share of the peak.
        style_size: long side in pixels at which paintings are seen.
        image_size: side of the photos' crops.
        batch_size: crops a step.
        save_every: paintings between two saved states.
        seed: decides all that is drawn.
    """

    paintings: str
    photos: str
    leave_out: list[str] = field(default_factory=list)
    output: str = "runs/start"
    init: str | None = None
    network: NetworkConfig = field(default_factory=NetworkConfig)
    perceptual: PerceptualConfig = field(default_factory=lambda: PerceptualConfig("slim", padding="replicate"))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    tasks: int = 2400
    inner_steps: int = 25
    outer_rate: float = 0.5
    optimizer: str = "muon"
    learning_rate: float = 1e-2
    warmup: float = 0.2
    final_rate: float = 0.1
    style_size: int = 384
    image_size: int = 224
    batch_size: int = 1
    save_every: int = 10
    seed: int = 0

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        for name in ("tasks", "inner_steps", "batch_size", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not 0 < self.outer_rate <= 1:
            raise ConfigError(f"outer_rate must be above 0 and at most 1, not {self.outer_rate}.")


class StartTraining:
    """Learns a start, painting after painting; what a painting teaches is a function of the start, the seed and the
    painting's number, so a run that goes on from its state ends exactly where an uninterrupted one would.

    Raises `ConfigError` for settings that mean nothing, missing photos or paintings.
    """

    def __init__(self, config: StartConfig) -> None:
        config.validate()
        config.objective.validate()
        self.config = config
        self.device = default_device()
        self.paintings = Paintings(expanded(config.paintings), config.leave_out, config.style_size, config.seed)
        self.crops = Crops(open_source(config.photos), config.image_size, config.seed)
        torch.manual_seed(config.seed)
        self.start = self._initial().to(self.device)
        self.reduced = bf16_is_fast(self.device)
        perceptual = build_perceptual(config.perceptual)
        perceptual.set_precision(torch.bfloat16 if self.reduced else torch.float32)
        self.objective = Objective(perceptual, config.objective).to(self.device)
        build_optimizer(config.optimizer, self.start, config.learning_rate)  # an unknown one is refused now
        self.done, self.seconds = 0, 0.0

    @property
    def folder(self) -> Path:
        """Where the run's files lie."""
        return expanded(self.config.output)

    @property
    def state_file(self) -> Path:
        """What a run goes on from."""
        return self.folder / "state.safetensors"

    def run(self) -> Iterator[dict[str, object]]:
        """Learn from the paintings that are left; yields a record for each, and saves as the configuration says."""
        for number in range(self.done, self.config.tasks):
            began = time.perf_counter()
            record = self.learn(number)
            self.seconds += time.perf_counter() - began
            self.done = number + 1
            record["seconds"] = round(self.seconds, 1)
            yield record
            if self.done % self.config.save_every == 0 or self.done == self.config.tasks:
                self.save()

    def learn(self, number: int) -> dict[str, object]:
        """Draw a painting, train on it, move the start towards what came out."""
        share = self.config.outer_rate * (1 - number / self.config.tasks)
        pictures, weights, name = self.paintings.draw(number)
        with torch.no_grad():
            self.objective.set_style([picture.to(self.device) for picture in pictures], weights)
        learner = copy.deepcopy(self.start)
        totals = self._train(learner, number)
        with torch.no_grad():
            for mine, its in zip(self.start.parameters(), learner.parameters(), strict=True):
                mine.lerp_(its, share)
        edge = min(_EDGE, len(totals))
        return {
            "task": number + 1,
            "painting": name,
            "outer_rate": round(share, 4),
            "first": round(sum(totals[:edge]) / edge, 4),
            "last": round(sum(totals[-edge:]) / edge, 4),
        }

    def _train(self, network: StyleNetwork, number: int) -> list[float]:
        """The inner steps; returns the objective at each."""
        config = self.config
        optimizer = build_optimizer(config.optimizer, network, config.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, config.inner_steps, config.warmup, config.final_rate)
        )
        totals: list[float] = []
        network.train()
        for step in range(config.inner_steps):
            first = (number * config.inner_steps + step) * config.batch_size
            total = self._total(network, self._photos(first), seed=first)
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_CLIP)
            optimizer.step()
            schedule.step()
            totals.append(float(total.detach()))
        return totals

    def _total(self, network: StyleNetwork, photos: Tensor, seed: int) -> Tensor:
        target = self.objective.content_target(photos)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.reduced):
            restyled = network(photos)
            total: Tensor = self.objective(restyled, target).mean().total
            made_by = NetworkPass(network, photos, network.stride, seed)
            for name, value in self.objective.measure_network(restyled, made_by).items():
                total = total + self.objective.config.weights[name] * value
        return total

    def _photos(self, first: int) -> Tensor:
        crops = [self.crops[first + index] for index in range(self.config.batch_size)]
        return torch.stack(crops).to(self.device).float() / 255

    def save(self) -> None:
        """Write the start as a network to begin from, and the state to go on from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save_network(self.start, self.metadata(), self.folder / "start.safetensors", overwrite=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.start.state_dict().items()}
        with write_atomically(self.state_file, overwrite=True) as partial:
            save_file(tensors, partial, {"state": json.dumps({"done": self.done, "seconds": self.seconds})})

    def resume(self) -> None:
        """Go on from the folder's state. Raises `ModelError` if there is none or it is damaged."""
        if not os.path.isfile(self.state_file):
            raise ModelError(f"{self.folder} holds no state to go on from ({self.state_file.name}).")
        try:
            with safe_open(self.state_file, framework="pt") as file:
                state = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            self.start.load_state_dict(tensors)
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{self.state_file} is not the state of such a start, or it is damaged.") from error
        self.done, self.seconds = int(state["done"]), float(state["seconds"])

    def metadata(self) -> StyleMetadata:
        """What the network's file says of itself."""
        return StyleMetadata(
            name="start",
            title=f"A start that belongs to no painting, learned from {len(self.paintings.paths)}",
            network=network_name(self.start),
            network_options=self.start.options,
            perceptual=self.config.perceptual.name,
            steps=self.done * self.config.inner_steps,
            batch_size=self.config.batch_size,
            image_size=self.config.image_size,
            training_seconds=round(self.seconds, 1),
            hardware=describe_hardware(self.device, 1),
            fastnst_version=fastnst.__version__,
        )

    def _initial(self) -> StyleNetwork:
        wanted = build_network(self.config.network.name, **self.config.network.options)
        if self.config.init is None:
            return wanted
        init = self.config.init
        network, metadata = load_network(find_init(init))
        if type(network) is not type(wanted) or network.options != wanted.options:
            raise ConfigError(
                f"init {init} holds a {metadata.network} network with {network.options}, but this configuration asks"
                f" for {network_name(wanted)} with {wanted.options}: set network to match, or init to null."
            )
        return network
