"""The LightningModule: one style network learns to lower the objective on photos."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

import fastnst
from fastnst.checkpoints import CHECKPOINT_KEY, check_goes_on, load_network, network_name
from fastnst.errors import ConfigError, check_ranges
from fastnst.hardware import describe_hardware
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import TOTAL, LossTerms, Objective, painting_shares
from fastnst.losses.regions import MatteWeights, matte_terms
from fastnst.losses.term import NetworkPass
from fastnst.networks import build_network
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.runtime.models.metadata import StyleMetadata, learned_from
from fastnst.start.predictor import guess_style, has_predictor
from fastnst.start.shipped import STARTS, find_init
from fastnst.trainer.optimizers import build_optimizer, rate_factor
from fastnst.training.paintings import open_painting, painting_sha256
from fastnst.training.settings import NetworkConfig, StyleCredits, WarmupPerceptual, check_at_least, check_shares

log = logging.getLogger(__name__)

_PROGRESS_KEY = "fastnst_progress"  # in a checkpoint
_MAX_STYLE_SIZE = 16384  # pixels; the memory for such a painting is a gigabyte


class StyleTraining(pl.LightningModule):
    """Train a style network on photos with a frozen perceptual network.

    Args:
        paintings: one or more picture files; several become one style, their statistics averaged.
        name: the style's name, which users pass to --style.
        painting_weights: one weight a painting (default: equal).
        style_size: long side in pixels at which the paintings are seen. Larger means broader strokes.
        style_trim: share of a painting's sides that is left off at each border: a frame, a mat, the paper's edge. What
            is left in becomes style, and pictures get such borders.
        network: the style network.
        perceptual: the frozen perceptual network.
        objective: what it asks for: layers, and a weight for every loss term.
        warmup_perceptual: a cheaper perceptual network for the beginning of the training.
        optimizer: `adam` or `muon`, see `training.optimizers`.
        learning_rate: the peak, after the warm-up; about 2e-3 for `adam`, 1e-2 for `muon`.
        warmup: share of the steps in which the rate rises from 0.
        final_rate: the rate at the last step, as a share of the peak; it falls there on a half cosine.
        init: start from this trained .ckpt, .safetensors, .onnx or installed style instead of random weights;
            `start` is the network that ships for it and belongs to no painting.
        mattes: weights inside and outside the person, for photos that come with mattes.
        credits: painting and licence, for the model file (default: those of `init` where its painting is the same).
    """

    def __init__(
        self,
        paintings: list[str],
        name: str,
        painting_weights: list[float] | None = None,
        style_size: int = 512,
        style_trim: float = 0.0,
        network: NetworkConfig = NetworkConfig(),  # noqa: B008 (jsonargparse wants a dataclass default)
        perceptual: PerceptualConfig = PerceptualConfig(),  # noqa: B008
        objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008
        warmup_perceptual: WarmupPerceptual = WarmupPerceptual(),  # noqa: B008
        optimizer: str = "adam",
        learning_rate: float = 2e-3,
        warmup: float = 0.05,
        final_rate: float = 0.01,
        init: str | None = None,
        mattes: MatteWeights = MatteWeights(),  # noqa: B008
        credits: StyleCredits = StyleCredits(),  # noqa: B008
    ) -> None:
        super().__init__()
        self.strict_loading = False  # a checkpoint holds the network only
        objective.validate()
        if not paintings:
            raise ConfigError("no painting was given: name its file with --painting FILE.")
        painting_shares(len(paintings), painting_weights)  # wrong ones are refused now
        check_at_least({"learning_rate": learning_rate, "style_size": style_size}, 0, above=True)
        check_ranges({"style_size": (style_size, 1, _MAX_STYLE_SIZE)})
        check_shares({"warmup": warmup, "final_rate": final_rate, "warmup_perceptual.share": warmup_perceptual.share})
        mattes.validate()
        self.mattes = mattes
        self.style_name, self.credits = name, credits
        self.learning_rate, self.warmup, self.final_rate = learning_rate, warmup, final_rate
        self.optimizer, self.warmup_perceptual = optimizer, warmup_perceptual
        self.paintings = [open_painting(path, style_size, style_trim) for path in paintings]
        self.painting_weights = painting_weights
        self.painting_sha256 = ",".join(painting_sha256(path) for path in paintings)
        self.perceptual_name, self.perceptual_padding = perceptual.name, perceptual.padding
        self.network = build_network(network.name, **network.options)
        self.earlier_steps, self.earlier_seconds = 0, 0.0  # of the training that this one starts from or goes on with
        self.earlier_photos = ""  # what it learned from
        self.started_from = ""  # the style of another painting that this one grew out of
        self.lost_steps = 0  # steps that the guards took back
        self._started: float | None = None
        if init is not None:
            self._start_from(find_init(init))
        build_optimizer(optimizer, self.network, learning_rate)  # an unknown one is refused now
        self.objective = Objective(build_perceptual(perceptual), objective)
        self.warmup_objective = warmup_perceptual.objective(perceptual, objective)
        self.style_size, self.style_trim = style_size, style_trim
        self.validated: dict[str, float] = {}
        self._validation_sums: list[tuple[int, dict[str, float]]] = []

    def forward(self, photos: Tensor) -> Tensor:
        """Restyle float RGB `[N, 3, H, W]` in [0, 1]."""
        restyled: Tensor = self.network(photos)
        return restyled

    def setup(self, stage: str) -> None:
        """Choose the perceptual networks' precision."""
        reduced = str(self.trainer.precision).startswith(("bf16", "16"))
        for objective in self._objectives():
            objective.perceptual.set_precision(torch.bfloat16 if reduced else torch.float32)

    def on_fit_start(self) -> None:
        """Compute the style target, once, where the perceptual networks now live."""
        paintings = [torch.from_numpy(painting)[None].to(self.device) for painting in self.paintings]
        for objective in self._objectives():
            objective.set_style(paintings, self.painting_weights)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def training_step(self, photos: Tensor, _batch_index: int) -> Tensor:
        """One batch uint8 `[N, 3, H, W]`, or `[N, 4, H, W]` with mattes: the total to minimize."""
        measured, restyled = self._measure(photos)
        terms = measured.mean()
        for name, value in terms.items():
            self.log(f"train/{name}", value.detach(), prog_bar=name == "total")
        total = terms.total
        # Seeded by the step, so that a resumed run draws what an uninterrupted one would.
        for name, value in self._network_terms(photos, restyled, seed=self.global_step).items():
            self.log(f"train/{name}", value.detach())
            total = total + self.objective.config.weights[name] * value
        return total

    def validation_step(self, photos: Tensor, _batch_index: int) -> None:
        """The same objective on held-out photos."""
        measured, restyled = self._measure(photos)
        self._validation_sums.append((len(photos), measured.floats()))
        for name, value in self._network_terms(photos, restyled, seed=0).items():
            self.log(f"val/{name}", value, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the means over all held-out photos, of all ranks."""
        names = [*self.objective.picture_terms, TOTAL]
        sums = torch.zeros(len(names) + 1, dtype=torch.float64)
        for count, terms in self._validation_sums:
            sums += torch.tensor([count, *(count * terms[name] for name in names)], dtype=torch.float64)
        self._validation_sums.clear()
        sums = self.trainer.strategy.reduce(sums.to(self.device, torch.float32), reduce_op="sum").cpu()
        self.validated = {name: float(value / sums[0]) for name, value in zip(names, sums[1:], strict=True)}
        log.info(
            "step %d: held-out objective %.4f (content %.4f, style %.4f)",
            self.global_step,
            *(self.validated[name] for name in ("total", "content", "style")),
        )
        self.log_dict({f"val/{name}": value for name, value in self.validated.items()}, rank_zero_only=True)

    def configure_optimizers(self) -> Any:
        """The optimizer with a linear warm-up and a cosine decay over the run's steps."""
        optimizer = build_optimizer(self.optimizer, self.network, self.learning_rate)
        steps = self.trainer.max_steps
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, steps, self.warmup, self.final_rate)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def state_dict(self, *_args: Any, **_options: Any) -> dict[str, Any]:  # type: ignore[override]
        """The network's weights only: the perceptual network and the targets are computed anew."""
        return {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the network inside its checkpoint."""
        checkpoint[CHECKPOINT_KEY] = dataclasses.asdict(self.metadata())
        progress = {"lost_steps": self.lost_steps, "seconds": self._seconds(), "optimizer": self.optimizer}
        checkpoint[_PROGRESS_KEY] = progress

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what a resumed run has behind it.

        Raises `ConfigError` if another optimizer moved it, `ModelError` for weights that are missing or not finite.
        """
        check_goes_on(checkpoint, self)
        progress = checkpoint.get(_PROGRESS_KEY, {})
        before = progress.get("optimizer", "adam")
        if before != self.optimizer:
            raise ConfigError(
                f"the checkpoint was trained with {before}, this configuration asks for {self.optimizer}: go on with"
                f" --model.optimizer {before}, or start a new run from it with --init."
            )
        self.lost_steps, self.earlier_seconds = progress.get("lost_steps", 0), progress.get("seconds", 0.0)

    def metadata(self) -> StyleMetadata:
        """The metadata of the model file about this training, as of now."""
        config = self.objective.config
        data = getattr(self.trainer, "datamodule", None)
        photos = self.credits.data or learned_from(self.earlier_photos, getattr(data, "description", ""))
        return StyleMetadata(
            name=self.style_name,
            **dataclasses.asdict(dataclasses.replace(self.credits, data=photos)),
            painting_sha256=self.painting_sha256,
            network=network_name(self.network),
            network_options=self.network.options,
            perceptual=self.perceptual_name,
            loss_weights={
                **dataclasses.asdict(config),
                "padding": self.perceptual_padding,
                "style_size": self.style_size,
                "style_trim": self.style_trim,
                "warmup_perceptual": self._described_warmup(),
                "mattes": dataclasses.asdict(self.mattes),
            },
            steps=self.earlier_steps + self.global_step - self.lost_steps,
            started_from=self.started_from,
            batch_size=getattr(data, "batch_size", 0) * self.trainer.world_size,
            image_size=getattr(data, "image_size", 0),
            training_seconds=round(self._seconds(), 1),
            hardware=describe_hardware(self.device, self.trainer.world_size),
            objective=dict(self.validated),
            fastnst_version=fastnst.__version__,
        )

    def _seconds(self) -> float:
        """Wall-clock time of the training so far, validation included."""
        return self.earlier_seconds + (time.monotonic() - self._started if self._started is not None else 0.0)

    def _described_warmup(self) -> dict[str, Any] | None:
        """For the model file; where its weights lie is nobody's business there."""
        warmup = self.warmup_perceptual
        return {"name": warmup.name, "share": warmup.share} if self.warmup_objective else None

    def _objectives(self) -> list[Objective]:
        return [self.objective] if self.warmup_objective is None else [self.warmup_objective, self.objective]

    def _current_objective(self) -> Objective:
        """The objective of this step; held-out photos are always measured by the training's own."""
        if self.warmup_objective is None or not self.training:
            return self.objective
        is_beginning = self.global_step < self.warmup_perceptual.share * self.trainer.max_steps
        return self.warmup_objective if is_beginning else self.objective

    def _network_terms(self, batch: Tensor, restyled: Tensor, seed: int) -> dict[str, Tensor]:
        made_by = NetworkPass(self, batch[:, :3].float() / 255, self.network.stride, seed)
        return self.objective.measure_network(restyled, made_by)

    def _measure(self, batch: Tensor) -> tuple[LossTerms, Tensor]:
        images = batch[:, :3].float() / 255
        restyled = self(images)
        objective = self._current_objective()
        target = objective.content_target(images)
        if batch.shape[1] == 3:
            return objective(restyled, target), restyled
        matte = batch[:, 3:].float() / 255
        with torch.autocast(self.device.type, enabled=False):
            terms, regions = matte_terms(objective, restyled, target, matte, self.mattes)
        kind = "train" if self.training else "val"
        for region, measured in regions.items():
            for name in objective.masked_terms:
                self.log(f"{kind}/{name}_{region}", measured[name].mean().detach(), sync_dist=True)
        return terms, restyled

    def _start_from(self, path: Path) -> None:
        network, metadata = load_network(path)
        if type(network) is not type(self.network) or network.options != self.network.options:
            raise ConfigError(
                f"{path} holds a {metadata.network} network with {network.options}, but this configuration asks for"
                f" {network_name(self.network)} with {self.network.options}: set model.network to match, or"
                " start afresh (--config scratch)."
            )
        self.network.load_state_dict(network.state_dict())
        if has_predictor(self.network):  # a network that belongs to no painting: its guess is nearer to this one
            paintings = [torch.from_numpy(painting)[None] for painting in self.paintings]
            guess_style(self.network, paintings, self.painting_weights)
        if metadata.painting_sha256 != self.painting_sha256:
            self.started_from = metadata.name
            kind = "which belongs to no painting" if metadata.name in STARTS else "the style of another painting"
            log.info("The network goes on from %s, %s.", metadata.name, kind)
            return
        self.started_from = metadata.started_from
        self.earlier_steps, self.earlier_seconds = metadata.steps, metadata.training_seconds
        self.earlier_photos = metadata.data
        if self.credits == StyleCredits():
            fields = dataclasses.fields(StyleCredits)
            known = {field.name: getattr(metadata, field.name) for field in fields}
            self.credits = StyleCredits(**{**known, "data": ""})  # this training's photos are others
