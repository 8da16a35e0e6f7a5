"""The start of all trainings: a network that belongs to no painting, from which every painting is few steps away.

Reptile (Nichol, Achiam & Schulman 2018, "On First-Order Meta-Learning Algorithms"): draw a painting, train on it for a
few steps by the recipe of a real training, and move the start a share of the way to where these steps ended.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import fastnst
from fastnst.checkpoints import are_finite, have_shapes, load_network, network_name, save_network
from fastnst.errors import ConfigError, ModelError
from fastnst.hardware import bf16_is_fast, default_device, describe_hardware
from fastnst.input_files import expanded
from fastnst.losses.objective import Objective
from fastnst.networks import StyleNetwork, build_network
from fastnst.output_files import write_atomically
from fastnst.perceptual import build_perceptual
from fastnst.runtime.engine.providers import usable_cores
from fastnst.runtime.models.description import read_json
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.start.paintings import Paintings
from fastnst.start.shipped import find_init
from fastnst.start.start_config import StartConfig
from fastnst.trainer.kept_photos import KeptCrops, kept_crops
from fastnst.trainer.optimizers import build_joint_optimizer, build_optimizer, rate_factor
from fastnst.trainer.photos import Crops, open_source
from fastnst.training.recorded_step import RecordedStep
from fastnst.training.side_by_side import measure_together

log = logging.getLogger(__name__)

Drawn = tuple[list[Tensor], list[float], str]

_EDGE = 5  # steps whose mean is told as the beginning and the end of a painting's training
_GRADIENT_CLIP = 10.0  # as in every training here


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
        source = open_source(config.photos)
        self.crops: Crops | KeptCrops = Crops(source, config.image_size, config.seed)
        if config.cache != "none":
            place = self.device if config.cache == "device" else torch.device("cpu")
            self.crops = kept_crops(source, config.image_size, config.seed, place)
        torch.manual_seed(config.seed)
        self.start = self._initial().to(self.device)
        self.learners = [copy.deepcopy(self.start).train() for _ in range(config.together)]
        self.reduced = bf16_is_fast(self.device)
        perceptual = build_perceptual(config.perceptual).to(self.device)
        perceptual.set_precision(torch.bfloat16 if self.reduced else torch.float32)
        self.objectives = [Objective(perceptual, config.objective).to(self.device) for _ in self.learners]
        build_optimizer(config.optimizer, self.start, config.learning_rate)  # an unknown one is refused now
        self.done, self.seconds = 0, 0.0
        self._step: RecordedStep | None = None
        self._seed = 0  # of what terms draw in this step
        self._drawing = ThreadPoolExecutor(max_workers=min(usable_cores(), config.together))
        self._drawn: dict[int, Future[Drawn]] = {}

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
        together = self.config.together
        for number in range(self.done, self.config.tasks, together):
            began = time.perf_counter()
            records = self.learn(number)
            self.seconds += time.perf_counter() - began
            self.done = number + together
            for record in records:
                record["seconds"] = round(self.seconds, 1)
                yield record
            if self.done // self.config.save_every > number // self.config.save_every or self.done == self.config.tasks:
                self.save()

    def learn(self, number: int) -> list[dict[str, object]]:
        """Draw paintings from number `number` on, train on them, move the start towards what came out."""
        share = self.config.outer_rate * (1 - number / self.config.tasks)
        names = self._set_styles(number)
        with torch.no_grad():
            for learner in self.learners:
                for its, mine in zip(learner.parameters(), self.start.parameters(), strict=True):
                    its.copy_(mine)
        totals = self._train(number // self.config.together)
        with torch.no_grad():
            theirs = zip(*(learner.parameters() for learner in self.learners), strict=True)
            for mine, found in zip(self.start.parameters(), theirs, strict=True):
                mine.lerp_(torch.stack(found).mean(0), share)
        edge = min(_EDGE, len(totals))
        first, last = totals[:edge].mean(0).tolist(), totals[-edge:].mean(0).tolist()
        return [
            {
                "task": number + index + 1,
                "painting": name,
                "outer_rate": round(share, 4),
                "first": round(first[index], 4),
                "last": round(last[index], 4),
            }
            for index, name in enumerate(names)
        ]

    def _set_styles(self, number: int) -> list[str]:
        """Give the objectives the paintings from number `number` on, and begin to draw those that follow."""
        together = self.config.together
        for one in range(number, min(number + 2 * together, self.config.tasks)):
            if one not in self._drawn:
                self._drawn[one] = self._drawing.submit(self.paintings.draw, one)
        names = []
        for index, objective in enumerate(self.objectives):
            pictures, weights, name = self._drawn.pop(number + index).result()
            objective.set_style([picture.to(self.device) for picture in pictures], weights)
            names.append(name)
        return names

    def _train(self, place: int) -> Tensor:
        """The inner steps of round `place`; returns the objective at each, `[steps, paintings]`."""
        config = self.config
        optimizer = build_joint_optimizer(config.optimizer, [(one, config.learning_rate) for one in self.learners])
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, config.inner_steps, config.warmup, config.final_rate)
        )
        totals: list[Tensor] = []
        for step in range(config.inner_steps):
            self._seed = (place * config.inner_steps + step) * config.batch_size
            photos = self._photos(self._seed)
            if self._step is None:
                parameters = [parameter for learner in self.learners for parameter in learner.parameters()]
                draws = self.objectives[0].draws
                self._step = RecordedStep(self._forward_and_backward, parameters, photos, records=not draws)
            totals.append(self._step(photos).clone())
            for learner in self.learners:
                torch.nn.utils.clip_grad_norm_(learner.parameters(), _GRADIENT_CLIP, foreach=True)
            optimizer.step()
            schedule.step()
        return torch.stack(totals).cpu()

    def _forward_and_backward(self, photos: Tensor) -> Tensor:
        """Gradients of all learners, and their totals `[paintings]`."""
        measured = measure_together(self.learners, self.objectives, photos, seed=self._seed, reduced=self.reduced)
        totals = torch.stack([terms.total for terms in measured])
        totals.sum().backward()
        return totals.detach()

    def _photos(self, first: int) -> Tensor:
        numbers = range(first, first + self.config.batch_size)
        if isinstance(self.crops, KeptCrops):
            crops = self.crops.batch(numbers)
        else:
            crops = torch.stack([self.crops[number] for number in numbers])
        return crops.to(self.device).float() / 255

    def save(self) -> None:
        """Write the start as a network to begin from, and the state to go on from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save_network(self.start, self.metadata(), self.folder / "start.safetensors", overwrite=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.start.state_dict().items()}
        with write_atomically(self.state_file, overwrite=True) as partial:
            save_file(tensors, partial, {"state": json.dumps({"done": self.done, "seconds": self.seconds})})

    def resume(self) -> None:
        """Go on from the folder's state.

        Raises `ModelError` if there is none or it is damaged, `ConfigError` if it has gone further than is asked for.
        """
        if not os.path.isfile(self.state_file):
            raise ModelError(f"{self.folder} holds no state to go on from ({self.state_file.name}).")
        try:
            with safe_open(self.state_file, framework="pt") as file:
                state: Any = read_json(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            done, seconds = int(state["done"]), float(state["seconds"])
            whole = have_shapes(tensors, self.start) and are_finite(tensors)
            if not whole or done < 0 or done % self.config.together or not 0 <= seconds < math.inf:
                raise ValueError("another state than such a training has")
            self.start.load_state_dict(tensors)
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"{self.state_file} is not the state of such a start, or it is damaged.") from error
        if done > self.config.tasks:
            raise ConfigError(f"{self.folder} has learned from {done} paintings already: tasks cannot be fewer.")
        self.done, self.seconds = done, seconds

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
