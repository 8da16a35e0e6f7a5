"""Portraits: the terms inside and outside a person's alpha matte, each with a weight of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.losses.objective import LossTerms, Objective


@dataclass
class MatteWeights:
    """How much each part of the objective counts inside (the person) and outside (the background) a matte.

    With all of them 1 the content term is that of a training without mattes, and the style is asked of both regions by
    themselves. Style statistics are taken over a region and divided by its area, so a small person counts like a large
    one.

    Attributes:
        content_inside: of the content error within the person. Above 1 faces keep their features.
        content_outside: of the content error of the background.
        style_inside: of the style term of the person's region.
        style_outside: of the style term of the background's region.
    """

    content_inside: float = 1.0
    content_outside: float = 1.0
    style_inside: float = 1.0
    style_outside: float = 1.0

    def validate(self) -> None:
        """Raise `ConfigError` for a negative weight."""
        for field in fields(self):
            if not getattr(self, field.name) >= 0:
                raise ConfigError(f"mattes.{field.name} must be at least 0, not {getattr(self, field.name)}.")


def matte_terms(
    objective: Objective, images: Tensor, content_target: Mapping[str, Tensor], matte: Tensor, weights: MatteWeights
) -> tuple[LossTerms, LossTerms, LossTerms]:
    """The weighted terms, and the plain ones inside and outside.

    Args:
        images: float RGB `[N, 3, H, W]` in [0, 1].
        content_target: of the photos.
        matte: `[N, 1, H, W]` in [0, 1], 1 is the person.

    The network is read once; one pass serves both regions.
    """
    images = images.float()
    found = objective.features(images)
    inside, outside = (
        objective.measure(images, found, content_target, content_mask=region, style_mask=region)
        for region in (matte, 1 - matte)
    )
    content = weights.content_inside * inside.content + weights.content_outside * outside.content
    style = weights.style_inside * inside.style + weights.style_outside * outside.style
    config = objective.config
    total = config.content_weight * content + config.style_weight * style + config.tv_weight * inside.tv
    return LossTerms(content, style, inside.tv, total), inside, outside
