"""The LightningModule that distils VGG-19 into `slim`."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from fastnst.distillation.pool import Picture, Pool
from fastnst.distillation.student import Student
from fastnst.distillation.terms import (
    STYLE_TAPS,
    Goal,
    feature_error,
    goal,
    gradient_agreement,
    relative_terms,
    thin,
)
from fastnst.errors import ConfigError
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.training.module import rate_factor


class Distillation(pl.LightningModule):
    """Match a narrow network with its teacher: features, objective values, and gradients of the objective.

    Feature matching through 1×1 projections is what Collaborative Distillation (Wang et al., CVPR 2020) does. Matching
    the gradients with respect to the pixels is what the network is for, and needs the second derivative of the student
    (Srinivas & Fleuret, "Knowledge Transfer with Jacobian Matching", 2018).

    Args:
        teacher: the network to learn from.
        learning_rate: the peak, after the warm-up; it falls on half a cosine.
        projection_rate: the projections' rate as a multiple of it. They are a linear fit and should follow at once.
        warmup: share of the steps in which the rate rises from 0.
        features_first: share of the steps with feature matching alone; gradients of a random network teach nothing.
        pool_size: pictures under optimization.
        pictures: how many of them a step looks at.
        gradient_weight: weight of 1 − cosine of the gradients.
        value_weight: weight of the squared log ratios of the objective's terms.
        seed: of the pool.
    """

    def __init__(
        self,
        teacher: PerceptualConfig = PerceptualConfig(),  # noqa: B008 (jsonargparse wants a dataclass default)
        learning_rate: float = 1.5e-3,
        projection_rate: float = 10.0,
        warmup: float = 0.02,
        features_first: float = 0.2,
        pool_size: int = 24,
        pictures: int = 4,
        gradient_weight: float = 1.0,
        value_weight: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.strict_loading = False  # a checkpoint holds the student only
        if not learning_rate > 0:
            raise ConfigError(f"learning_rate must be above 0, not {learning_rate}.")
        for option, share in (("warmup", warmup), ("features_first", features_first)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{option} must be between 0 and 1, not {share}.")
        if not 1 <= pictures <= pool_size:
            raise ConfigError(f"pictures must be between 1 and pool_size ({pool_size}), not {pictures}.")
        self.learning_rate, self.projection_rate = learning_rate, projection_rate
        self.warmup, self.features_first = warmup, features_first
        self.pictures = pictures
        self.gradient_weight, self.value_weight = gradient_weight, value_weight
        self.teacher_name = f"{teacher.name}, {teacher.weights or 'oxford'} weights"
        self.teacher = build_perceptual(teacher)
        self.student = Student(self.teacher)
        self.pool = Pool(pool_size, seed)
        self.validated: dict[str, float] = {}
        self._validation: list[dict[str, float]] = []

    def setup(self, stage: str) -> None:
        """Choose the teacher's precision."""
        reduced = str(self.trainer.precision).startswith(("bf16", "16"))
        self.teacher.set_precision(torch.bfloat16 if reduced else torch.float32)

    def training_step(self, pairs: Tensor, _batch_index: int) -> Tensor:
        """One batch uint8 `[N, 2, 3, S, S]` of photos and paintings: the loss."""
        photos, paintings = (part.float() / 255 for part in pairs.unbind(1))
        offset = self.global_step
        with torch.no_grad():
            taught = self._teach(torch.cat([photos, paintings]))
        if self.global_step == 0:
            self.student.calibrate(taught)
        found = self.student.features(torch.cat([photos, paintings]))
        errors = feature_error(self.student.project(thin(found, offset)), taught, offset)
        loss = torch.stack(list(errors.values())).mean()
        self.log("train/features", loss.detach(), prog_bar=True)
        if self.global_step >= self.features_first * self.trainer.max_steps:
            aims = goal(*_halves(taught, len(photos)))
            self.pool.renew(photos, paintings, aims)
            loss = loss + self._agreement_loss(self.pool.draw(self.pictures))
        self.log("train/total", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, pairs: Tensor, _batch_index: int) -> None:
        """Agreement on held-out pairs, for pictures half-way between photo and painting and for the photos."""
        photos, paintings = (part.float() / 255 for part in pairs.unbind(1))
        aim = goal(*_halves(self._teach(torch.cat([photos, paintings])), len(photos)))
        weights = torch.tensor([[1.0, *[10 / len(STYLE_TAPS)] * len(STYLE_TAPS)]], device=photos.device)
        for name, pictures in (("photo", photos), ("blend", (photos + paintings) / 2)):
            measured = self._compare(pictures, photos, paintings, aim, weights.expand(len(photos), -1), train=False)
            self._validation.append(
                {
                    f"gradient_cosine/{name}": float(measured["cosine"].mean()),
                    f"features/{name}": float(measured["features"].detach()),
                }
            )

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

    def _agreement_loss(self, pictures: list[Picture]) -> Tensor:
        measured = self._compare(
            torch.stack([picture.pixels for picture in pictures]),
            torch.stack([picture.photo for picture in pictures]),
            torch.stack([picture.painting for picture in pictures]),
            Goal(
                torch.stack([picture.content for picture in pictures]),
                {tap: torch.stack([picture.grams[tap] for picture in pictures]) for tap in STYLE_TAPS},
            ),
            torch.stack([picture.weights for picture in pictures]).to(self.device),
            train=True,
        )
        self.pool.advance(pictures, measured["student"].detach(), measured["teacher"])
        agreement, values = measured["cosine"].mean(), measured["values"]
        self.log("train/gradient_cosine", agreement.detach(), prog_bar=True)
        self.log("train/values", values.detach())
        return measured["features"] + self.gradient_weight * (1 - agreement) + self.value_weight * values

    def _compare(
        self, pictures: Tensor, photos: Tensor, paintings: Tensor, aim: Goal, weights: Tensor, *, train: bool
    ) -> dict[str, Tensor]:
        """How far student and teacher agree about `pictures` `[N, 3, S, S]`; gradients are of Σ weights · terms."""
        offset = self.global_step
        with torch.enable_grad():
            seen = pictures.detach().requires_grad_()
            taught = self._teach(seen)
            teacher_terms = relative_terms(taught, aim)
            (teacher_gradient,) = torch.autograd.grad((weights * teacher_terms).sum(), seen)

            watched = pictures.detach().requires_grad_()
            found = self.student.features(torch.cat([watched, photos, paintings]))
            own, rest = _halves(found, len(pictures))
            errors = feature_error(
                self.student.project(thin(own, offset)), {tap: kept.detach() for tap, kept in taught.items()}, offset
            )
            own, rest = self.student.read(own), self.student.read(rest)
            terms = relative_terms(own, goal(*_halves(rest, len(photos))))
            (gradient,) = torch.autograd.grad((weights * terms).sum(), watched, create_graph=train)
        ratios = torch.log((terms + 1e-4) / (teacher_terms.detach() + 1e-4))
        return {
            "features": torch.stack(list(errors.values())).mean(),
            "values": ratios.square().mean(),
            "cosine": gradient_agreement(gradient, teacher_gradient),
            "student": gradient,
            "teacher": teacher_gradient,
        }


def _halves(features: dict[str, Tensor], count: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Split batches of features after `count` samples."""
    return (
        {tap: found[:count] for tap, found in features.items()},
        {tap: found[count:] for tap, found in features.items()},
    )
