"""The LightningModule that distils VGG-19 into `slim`."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from fastnst.checkpoints import check_goes_on
from fastnst.distillation.initialization import start_from_network, start_from_teacher
from fastnst.distillation.losses import (
    STYLE_TAPS,
    Goal,
    feature_error,
    goal,
    gradient_agreement,
    gram_error,
    relative_terms,
    thin,
)
from fastnst.distillation.replay import Picture, Pool, batch_of
from fastnst.distillation.student import Student
from fastnst.errors import ConfigError, suggest
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.perceptual.slim import load_slim
from fastnst.trainer.optimizers import rate_factor

log = logging.getLogger(__name__)

STARTS = ("teacher", "slim", "random")


class Distillation(pl.LightningModule):
    """Match a narrow network with its teacher: features, Gram matrices, objective values, and gradients.

    Three stages. First features and Gram matrices on photos and paintings, through 1×1 projections, as Collaborative
    Distillation (Wang et al., CVPR 2020) matches features. Then also on pictures that the student itself is
    optimizing: what raises the agreement of gradients most. Last, if asked for, also the gradients of the objective
    with respect to the pixels, by the student's second derivative (Srinivas & Fleuret, "Knowledge Transfer with
    Jacobian Matching", 2018). The recipe that ships leaves this stage out: the second derivative leaves out what
    happens where a ReLU or a pooling switches, and that is most of it.

    Args:
        teacher: the network to learn from.
        learning_rate: the peak, after the warm-up; it falls on half a cosine.
        projection_rate: the projections' rate as a multiple of it. They are a linear fit and should follow at once.
        warmup: share of the steps in which the rate rises from 0.
        pool_from: share of the steps after which pictures under optimization are looked at.
        gradients_from: share of the steps after which gradients are matched (1: never); a step then takes twice as
            long.
        pool_size: pictures under optimization.
        pictures: how many of them a step looks at.
        gram_weight: weight of the relative error of the Gram matrices.
        value_weight: weight of the squared log ratios of the objective's terms.
        gradient_weight: weight of 1 − cosine of the gradients.
        start: `teacher` begins with the teacher's most informative channels (see `initialization`), `slim` with the
            network that ships, `random` with random weights.
        start_pictures: how many pictures the start is fitted to.
        seed: of the pool.
    """

    def __init__(
        self,
        teacher: PerceptualConfig = PerceptualConfig(),  # noqa: B008 (jsonargparse wants a dataclass default)
        learning_rate: float = 2e-4,
        projection_rate: float = 5.0,
        warmup: float = 0.04,
        pool_from: float = 0.05,
        gradients_from: float = 1.0,
        pool_size: int = 24,
        pictures: int = 4,
        gram_weight: float = 0.3,
        value_weight: float = 0.02,
        gradient_weight: float = 0.02,
        start: str = "teacher",
        start_pictures: int = 360,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.strict_loading = False  # a checkpoint holds the student only
        if not learning_rate > 0:
            raise ConfigError(f"learning_rate must be above 0, not {learning_rate}.")
        for option, share in (("warmup", warmup), ("pool_from", pool_from), ("gradients_from", gradients_from)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{option} must be between 0 and 1, not {share}.")
        if start not in STARTS:
            raise ConfigError(f"unknown start '{start}'.{suggest(start, STARTS)} Choose one of: {', '.join(STARTS)}.")
        if not 1 <= pictures <= pool_size:
            raise ConfigError(f"pictures must be between 1 and pool_size ({pool_size}), not {pictures}.")
        self.learning_rate, self.projection_rate, self.warmup = learning_rate, projection_rate, warmup
        self.pool_from, self.gradients_from, self.pictures = pool_from, gradients_from, pictures
        self.gram_weight, self.value_weight, self.gradient_weight = gram_weight, value_weight, gradient_weight
        self.start, self.start_pictures = start, start_pictures
        self.teacher_name = f"{teacher.name}, {teacher.weights or 'oxford'} weights"
        self.teacher = build_perceptual(teacher)
        self.student = Student(self.teacher)
        self.pool = Pool(pool_size, seed)
        self.fresh = True  # no checkpoint was loaded
        self.validated: dict[str, float] = {}
        self._validation: list[dict[str, float]] = []

    def setup(self, stage: str) -> None:
        """Choose the teacher's precision."""
        reduced = str(self.trainer.precision).startswith(("bf16", "16"))
        self.teacher.set_precision(torch.bfloat16 if reduced else torch.float32)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A resumed training has its start behind it. Raises `ModelError` for missing weights, or some not finite."""
        check_goes_on(checkpoint, self)
        self.fresh = False

    def on_fit_start(self) -> None:
        """Fit the start to some pictures of the training data."""
        if not self.fresh or self.start == "random":
            return
        pictures: list[Tensor] = []
        for pairs in cast(Any, self.trainer).datamodule.train_dataloader():
            pictures += pairs.flatten(0, 1)
            if len(pictures) >= self.start_pictures:
                break
        images = torch.stack(pictures[: self.start_pictures]).to(self.device).float() / 255
        log.info("Fitting the start to %d pictures …", len(images))
        if self.start == "slim":
            start_from_network(self.student, self.teacher, images, load_slim().to(self.device))
        else:
            start_from_teacher(self.student, self.teacher, images)

    def training_step(self, pairs: Tensor, _batch_index: int) -> Tensor:
        """One batch uint8 `[N, 2, 3, S, S]` of photos and paintings: the loss."""
        photos, paintings = (part.float() / 255 for part in pairs.unbind(1))
        with torch.no_grad():
            taught = self._teach(torch.cat([photos, paintings]))
        if self.global_step == 0 and self.start == "random":
            self.student.calibrate(taught)
        loss = self._match(self.student.features(torch.cat([photos, paintings])), taught, "train/fresh")
        progress = self.global_step / self.trainer.max_steps
        if progress >= self.pool_from:
            self.pool.renew(photos, paintings, goal(*_halves(taught, len(photos))))
            drawn = self.pool.draw(self.pictures)
            loss = loss + self._pool_loss(drawn, gradients=progress >= self.gradients_from)
        self.log("train/total", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, pairs: Tensor, _batch_index: int) -> None:
        """Agreement on held-out pairs, for pictures half-way between photo and painting and for the photos."""
        photos, paintings = (part.float() / 255 for part in pairs.unbind(1))
        aim = goal(*_halves(self._teach(torch.cat([photos, paintings])), len(photos)))
        for name, pictures in (("photo", photos), ("blend", (photos + paintings) / 2)):
            errors = feature_error(self.student.project(thin(self.student.features(pictures))), self._teach(pictures))
            cosine = self._agreement(pictures, photos, paintings, aim)
            measured = {f"{tap}/{name}": float(error) for tap, error in errors.items()}
            self._validation.append({f"gradient_cosine/{name}": float(cosine.mean()), **measured})

    def on_validation_epoch_end(self) -> None:
        """Log the means."""
        gathered: dict[str, list[float]] = {}
        for part in self._validation:
            for name, value in part.items():
                gathered.setdefault(name, []).append(value)
        self._validation.clear()
        self.validated = {name: sum(values) / len(values) for name, values in gathered.items()}
        self.log_dict({f"val/{name}": value for name, value in self.validated.items()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam with a linear warm-up and a cosine decay over the run's steps."""
        rates = ((self.student.trunk, 1.0), (self.student.projections, self.projection_rate))
        optimizer = torch.optim.Adam(
            [{"params": list(part.parameters()), "lr": self.learning_rate * factor} for part, factor in rates]
        )
        steps = self.trainer.max_steps
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, steps, self.warmup, final=0.01)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def state_dict(self, *_args: Any, **_options: Any) -> dict[str, Any]:  # type: ignore[override]
        """The student only. The pool is filled anew after a resume."""
        return {f"student.{name}": tensor for name, tensor in self.student.state_dict().items()}

    def _teach(self, images: Tensor) -> dict[str, Tensor]:
        with torch.autocast(images.device.type, enabled=False):
            return self.teacher.features(images, self.student.taps)

    def _match(self, found: dict[str, Tensor], taught: dict[str, Tensor], label: str) -> Tensor:
        """Errors of the projected features and of their Gram matrices."""
        offset = self.global_step
        errors = feature_error(self.student.project(thin(found, offset)), taught, offset)
        features = torch.stack(list(errors.values())).mean()
        grams = gram_error(found, taught, self.student)
        self.log(f"{label}_features", features.detach())
        self.log(f"{label}_grams", grams.detach())
        return features + self.gram_weight * grams

    def _pool_loss(self, drawn: list[Picture], *, gradients: bool) -> Tensor:
        """The same on pictures under optimization, and agreement of the objective there; moves them on."""
        pictures, photos, paintings, weights, aim = batch_of(drawn)
        seen = pictures.detach().requires_grad_(gradients)
        taught = self._teach(seen)
        teacher_terms = relative_terms(taught, aim)
        watched = pictures.detach().requires_grad_()
        own = self.student.features(watched)
        with torch.no_grad():
            rest = self.student.read(self.student.features(torch.cat([photos, paintings])))
        loss = self._match(own, {tap: kept.detach() for tap, kept in taught.items()}, "train/pool")
        terms = relative_terms(self.student.read(own), goal(*_halves(rest, len(drawn))))
        (gradient,) = torch.autograd.grad((weights * terms).sum(), watched, create_graph=gradients, retain_graph=True)
        self.pool.advance(drawn, gradient.detach())
        values = torch.log((terms + 1e-3) / (teacher_terms.detach() + 1e-3)).square().mean()
        self.log("train/values", values.detach())
        loss = loss + self.value_weight * values
        if gradients:
            (teacher_gradient,) = torch.autograd.grad((weights * teacher_terms).sum(), seen)
            agreement = gradient_agreement(gradient, teacher_gradient).mean()
            self.log("train/gradient_cosine", agreement.detach())
            loss = loss + self.gradient_weight * (1 - agreement)
        return loss

    @torch.enable_grad()
    def _agreement(self, pictures: Tensor, photos: Tensor, paintings: Tensor, aim: Goal) -> Tensor:
        """Cosine of the two gradients of the objective with style weight 10, `[N]`."""
        weights = torch.tensor([1.0, *[10 / len(STYLE_TAPS)] * len(STYLE_TAPS)], device=pictures.device)
        gradients: list[Tensor] = []
        for terms_of in (
            lambda seen: relative_terms(self._teach(seen), aim),
            lambda seen: self._student_terms(seen, photos, paintings),
        ):
            seen = pictures.detach().requires_grad_()
            gradients += torch.autograd.grad((weights * terms_of(seen)).sum(), seen)
        return gradient_agreement(*gradients)

    def _student_terms(self, pictures: Tensor, photos: Tensor, paintings: Tensor) -> Tensor:
        found = self.student.read(self.student.features(torch.cat([pictures, photos, paintings])))
        own, rest = _halves(found, len(pictures))
        return relative_terms(own, goal(*_halves(rest, len(pictures))))


def _halves(features: dict[str, Tensor], count: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Split batches of features after `count` samples."""
    return (
        {tap: found[:count] for tap, found in features.items()},
        {tap: found[count:] for tap, found in features.items()},
    )
