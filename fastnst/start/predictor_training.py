"""Learning the predictor: each step sees several paintings at once, each with a photo, and lowers the real objective.

Nothing in a step waits for the device: styles and photos lie there, and numbers come back every few seconds only.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import fastnst
from fastnst.checkpoints import load_network, network_name, save_network
from fastnst.errors import ConfigError
from fastnst.hardware import bf16_is_fast, default_device, describe_hardware
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.input_files import expanded
from fastnst.losses.objective import Objective
from fastnst.losses.term import NetworkPass
from fastnst.networks import build_network
from fastnst.networks.affines import affines, restyle_each, set_affines
from fastnst.perceptual import build_perceptual
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.start.paintings import Paintings
from fastnst.start.photo_store import PhotoStore
from fastnst.start.predictor import AffinePredictor, save_predictor
from fastnst.start.predictor_config import PredictorConfig
from fastnst.start.shipped import find_init
from fastnst.start.style_bank import StyleBank, WideStyles, measure_style, style_term
from fastnst.trainer.optimizers import build_optimizer, rate_factor
from fastnst.trainer.photos import Crops, open_source

log = logging.getLogger(__name__)

_GRADIENT_CLIP = 10.0  # as in every training here
_TICKS = 1000  # that the learning rate's course is divided into, by steps or by seconds
_WARMUP, _FINAL_RATE = 0.05, 0.01  # shares of the course, and of the peak
_TOLD_EVERY = 5.0  # seconds
_LEAST_WORK = 10  # times what a test and a saving take, before the next
_TEST_PHOTOS = 4  # of each painting that is left out


class PredictorTraining:
    """Learns a predictor for a number of steps or of seconds, with the start's weights frozen or moving along.

    Raises `ConfigError` for settings that mean nothing, missing photos or paintings, `ModelError` for a missing start.
    """

    def __init__(self, config: PredictorConfig) -> None:
        self.began = time.perf_counter()
        config.validate()
        config.objective.validate()
        self.config = config
        self.device = default_device()
        torch.manual_seed(config.seed)
        self.paintings = Paintings(expanded(config.paintings), config.leave_out, config.style_size, config.seed)
        if config.init is None:
            network = build_network(config.network.name, **config.network.options)
        else:
            network, _ = load_network(find_init(config.init))
        self.network = network.to(self.device).requires_grad_(config.network_rate > 0)
        self.reduced = bf16_is_fast(self.device)
        perceptual = build_perceptual(config.perceptual)
        perceptual.set_precision(torch.bfloat16 if self.reduced else torch.float32)
        self.objective = Objective(perceptual, config.objective).to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        crops = Crops(open_source(config.photos), config.photo_size, config.seed)
        seen, spare = config.photo_count, config.photo_count + _TEST_PHOTOS
        self.photos = PhotoStore(crops, range(seen), config.image_size, self.device)
        self.test_photos = PhotoStore(crops, range(seen, spare), config.image_size, self.device).first(_TEST_PHOTOS)
        styles = WideStyles(self.paintings, crops, config.recoloured, config.photographs)
        self.bank = StyleBank(styles, config.draws, self.objective, self.device)
        moments = self.bank.moments
        self.predictor = AffinePredictor(moments.shape[1], affines(self.network), config.hidden).to(self.device)
        self.predictor.normalize_by(moments)
        self.done = 0
        self.tested: dict[str, list[float]] = {}  # of the paintings left out: the objective at each test
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # from here on all sizes stay the same

    def run(self) -> Iterator[dict[str, float]]:
        """Take the steps; yields a record every few seconds, and writes the file now and then and at the end."""
        optimizers = self._optimizers()
        sums, told, saved, counted = torch.zeros((), device=self.device), time.perf_counter(), time.perf_counter(), 0
        pause = self.config.save_every
        self.test()
        while (progress := self._progress()) < 1:
            sums += self._step(optimizers, progress)
            self.done, counted = self.done + 1, counted + 1
            now = time.perf_counter()
            if now - told > _TOLD_EVERY:
                yield self._record(float(sums) / counted)
                sums, counted, told = torch.zeros_like(sums), 0, now
            if now - saved > pause:
                self.test()
                self.save()
                saved = time.perf_counter()
                pause = max(self.config.save_every, _LEAST_WORK * (saved - now))
        if not self.done:
            raise ConfigError(
                f"{self.config.seconds:g} seconds are too few: the preparation alone took {self.elapsed():.0f}."
            )
        if counted:
            yield self._record(float(sums) / counted)
        self.test()
        self.save()

    def total(self, photos: Tensor, values: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """The objective of photos `[N, 3, H, W]` that are restyled with affines `[N, A]` for styles of their own."""
        style_term(self.objective).use_targets(targets)
        target = self.objective.content_target(photos)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.reduced):
            restyled = restyle_each(self.network, photos, values)
            made_by = NetworkPass(
                lambda images: restyle_each(self.network, images, values), photos, self.network.stride, self.done
            )
            return self.objective.with_network(self.objective(restyled, target).mean(), restyled, made_by).total

    def test(self) -> None:
        """Measure the paintings that are left out, each on photos that no step sees."""
        with torch.no_grad():
            for path in self.paintings.kept:
                painting = torch.from_numpy(to_unit_floats(resize_long_side(open_image(path), self.config.style_size)))
                moments, targets = measure_style([painting[None].to(self.device)], [1.0], self.objective)
                values = self.predictor(moments).expand(len(self.test_photos), -1)
                found = float(self.total(self.test_photos, values, targets))
                self.tested.setdefault(path.stem, []).append(round(found, 4))
        if self.tested:
            latest = [found[-1] for found in self.tested.values()]
            log.info("step %d: objective of paintings left out %.4f", self.done, sum(latest) / len(latest))

    def save(self) -> None:
        """Write the predictor as it is now."""
        kept_out = {"paintings", "photos", "output", "init", "perceptual"}  # where things lie is nobody's business
        settings = {name: value for name, value in dataclasses.asdict(self.config).items() if name not in kept_out}
        description: dict[str, Any] = {
            "paintings": len(self.paintings.paths),
            "steps": self.done,
            "training_seconds": round(self.elapsed(), 1),
            "hardware": describe_hardware(self.device, 1),
            "fastnst_version": fastnst.__version__,
            "settings": settings,
            "tested": {name: found for name, found in self.tested.items() if len(found) > 1},
        }
        save_predictor(self.predictor, self.network, description, self.file)
        if self.config.network_rate > 0:
            with torch.no_grad():
                set_affines(self.network, self.predictor(self.bank.moments).mean(0))
            about = StyleMetadata(
                name="start",
                title=f"A start that belongs to no painting, learned from {len(self.paintings.paths)}",
                network=network_name(self.network),
                network_options=self.network.options,
                perceptual=self.config.perceptual.name,
                **{name: description[name] for name in ("steps", "training_seconds", "hardware", "fastnst_version")},
                batch_size=self.config.batch_size,
                image_size=self.config.image_size,
            )
            save_network(self.network, about, self.file.with_name("start.safetensors"), overwrite=True)

    @property
    def file(self) -> Path:
        """Where the predictor is written."""
        return expanded(self.config.output)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        config = self.config
        found: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(self.predictor.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        ]
        if config.network_rate > 0:
            found.append(build_optimizer("muon", self.network, config.network_rate))
        for optimizer in found:
            for group in optimizer.param_groups:
                group["peak"] = group["lr"]
        return found

    def _step(self, optimizers: list[torch.optim.Optimizer], progress: float) -> Tensor:
        config = self.config
        photos = self.photos.take(config.batch_size, self.generator)
        moments, targets = self.bank.take(config.batch_size, config.blended, self.generator)
        total = self.total(photos, self.predictor(moments), targets)
        for part in (self.predictor, self.network):
            part.zero_grad(set_to_none=True)
        total.backward()
        for part in (self.predictor, self.network):
            torch.nn.utils.clip_grad_norm_(part.parameters(), _GRADIENT_CLIP)
        factor = rate_factor(round(progress * _TICKS), _TICKS, _WARMUP, _FINAL_RATE)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
        return total.detach()

    def elapsed(self) -> float:
        """Seconds since the training was set up."""
        return time.perf_counter() - self.began

    def _progress(self) -> float:
        by_steps = self.done / self.config.steps
        return by_steps if self.config.seconds is None else max(by_steps, self.elapsed() / self.config.seconds)

    def _record(self, mean: float) -> dict[str, float]:
        return {"step": self.done, "objective": round(mean, 4), "seconds": round(self.elapsed(), 1)}
