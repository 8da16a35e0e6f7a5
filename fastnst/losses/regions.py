"""Portraits: the terms inside and outside a person's alpha matte, each with a weight of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.losses.objective import LossTerms, Objective
from fastnst.losses.registry import float_fields
from fastnst.losses.term import ContentTarget, LossTerm

REGIONS = {"inside": "the person", "outside": "the background"}
_LEAST_SHARE = 0.005  # of the picture: a smaller region is a matte's noise, and has no statistics


def _region_fields(term: type[LossTerm]) -> dict[str, tuple[float, str]]:
    if not term.masked:
        return {}
    return {f"{term.name}_{region}": (1.0, f"of the {term.label} term of {whom}.") for region, whom in REGIONS.items()}


@dataclass(frozen=True)
@float_fields(_region_fields)
class MatteWeights:
    """Weights of the parts of the objective inside (the person) and outside (the background) a matte.

    With all of them 1 the content term is that of a training without mattes, and the style is asked of both regions by
    themselves. Style statistics are taken over a region and divided by its area, so a small person counts like a large
    one. With `content_inside` above 1 faces keep their features.

    Attributes:
    """

    if TYPE_CHECKING:  # a weight for each region of each term that takes a mask, from `float_fields`

        def __init__(self, **weights: float) -> None: ...

    def of(self, term: str, region: str) -> float:
        """The weight of a term in a region."""
        return float(getattr(self, f"{term}_{region}"))

    def validate(self) -> None:
        """Raise `ConfigError` for a negative weight."""
        for entry in fields(self):
            if not getattr(self, entry.name) >= 0:
                raise ConfigError(f"mattes.{entry.name} must be at least 0, not {getattr(self, entry.name)}.")


def matte_terms(
    objective: Objective, images: Tensor, target: ContentTarget, matte: Tensor, weights: MatteWeights
) -> tuple[LossTerms, dict[str, LossTerms]]:
    """The weighted terms, and the plain ones of each region.

    Args:
        images: float RGB `[N, 3, H, W]` in [0, 1].
        target: of the photos.
        matte: `[N, 1, H, W]` in [0, 1], 1 is the person.

    The network is read once; one pass serves both regions. Of a region that is not there nothing is asked: photos
    without people are all background.
    """
    images = images.float()
    features = objective.features(images)
    measured = {
        region: objective.measure(images, features, target, masks=dict.fromkeys(objective.masked_terms, mask))
        for region, mask in zip(REGIONS, (matte, 1 - matte), strict=True)
    }
    share = matte.mean(dim=(1, 2, 3))
    is_there = {"inside": share >= _LEAST_SHARE, "outside": 1 - share >= _LEAST_SHARE}
    parts = dict(measured["inside"].parts)
    for name in objective.masked_terms:
        inside, outside = (weights.of(name, part) * is_there[part] * terms[name] for part, terms in measured.items())
        parts[name] = inside + outside
    return objective.summed(parts), measured
