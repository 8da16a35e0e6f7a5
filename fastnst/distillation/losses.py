"""Losses of a distillation: features, and the style transfer objective's values and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.distillation.student import Student
from fastnst.losses.statistics import gram_matrix, squared_distance, squared_norm

STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_TAP = "relu4_2"
_DENSE_SIDE = 48  # positions a side at which features are compared; large maps are sampled


@dataclass
class Goal:
    """The targets that a batch of pictures is optimized for, as one network sees them.

    Attributes:
        content: features of the photos at the content tap, `[N, C, h, w]`.
        grams: Gram matrices of the paintings, `{tap: [N, C, C]}`.
    """

    content: Tensor
    grams: dict[str, Tensor]


def goal(photos: Mapping[str, Tensor], paintings: Mapping[str, Tensor]) -> Goal:
    """The goal that features of photos and of paintings define."""
    return Goal(photos[CONTENT_TAP], {tap: gram_matrix(paintings[tap]) for tap in STYLE_TAPS})


def relative_terms(features: Mapping[str, Tensor], aim: Goal) -> Tensor:
    """The relative content term and the relative style terms of each tap, `[N, 1 + taps]` (see `Objective`)."""
    terms = [squared_distance(features[CONTENT_TAP], aim.content) / squared_norm(aim.content)]
    for tap in STYLE_TAPS:
        gram = gram_matrix(features[tap])
        terms.append(squared_distance(gram, aim.grams[tap]) / squared_norm(aim.grams[tap]))
    return torch.stack(terms, dim=1)


def feature_error(projected: Mapping[str, Tensor], teacher: Mapping[str, Tensor], offset: int = 0) -> dict[str, Tensor]:
    """‖P f − F‖² / ‖F‖² of each tap over the batch, on a grid of positions that starts at `offset`."""
    errors = {}
    for tap, target in teacher.items():
        step = max(1, target.shape[-1] // _DENSE_SIDE)
        start = offset % step
        wanted = target[..., start::step, start::step].float()
        found = projected[tap].float()
        errors[tap] = (found - wanted).square().sum() / wanted.square().sum().clamp_min(1e-12)
    return errors


def gram_error(found: Mapping[str, Tensor], teacher: Mapping[str, Tensor], student: Student) -> Tensor:
    """‖P G Pᵀ − G_teacher‖ / ‖G_teacher‖, the mean over the style taps and the batch.

    Not squared: one picture whose Gram matrix is far off would outweigh all others.
    """
    errors = []
    for tap in STYLE_TAPS:
        wanted = gram_matrix(teacher[tap])
        projection = student.projection(tap).float()
        with torch.autocast(wanted.device.type, enabled=False):
            projected = projection @ gram_matrix(found[tap]) @ projection.T
        errors.append((squared_distance(projected, wanted) / squared_norm(wanted) + 1e-6).sqrt().mean())
    return torch.stack(errors).mean()


def thin(features: Mapping[str, Tensor], offset: int = 0) -> dict[str, Tensor]:
    """The positions that `feature_error` compares, so that only they need to be projected."""
    thinned = {}
    for tap, found in features.items():
        step = max(1, found.shape[-1] // _DENSE_SIDE)
        thinned[tap] = found[..., offset % step :: step, offset % step :: step]
    return thinned


def gradient_agreement(student: Tensor, teacher: Tensor) -> Tensor:
    """Cosine between two gradients with respect to the pixels, `[N, 3, H, W]` each → `[N]`."""
    return F.cosine_similarity(student.flatten(1).float(), teacher.flatten(1).float(), dim=1)
