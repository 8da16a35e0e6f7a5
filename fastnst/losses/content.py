"""The content term: features that should stay the photo's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastnst.losses.statistics import layer_weights, mask_at, squared_distance, squared_norm
from fastnst.losses.term import LossTerm, TermInputs

if TYPE_CHECKING:
    from fastnst.losses.config import ObjectiveConfig


class ContentTerm(LossTerm):
    """Squared distance of features from the photo's, over the content layers; `Objective` has the formulas."""

    name = "content"
    label = "content"
    about = "weight of the content term."
    default_weight = 1.0
    needs = frozenset({"features"})
    compares = True
    masked = True
    always = True

    def __init__(self, config: ObjectiveConfig) -> None:
        super().__init__(config)
        self._weights = layer_weights(config.content_layers, config.content_layer_weights, config.normalization)

    def layers(self) -> Sequence[str]:
        """The content layers."""
        return self.config.content_layers

    def forward(self, inputs: TermInputs) -> Tensor:
        """`[N]`; a mask multiplies the errors of its positions."""
        content = inputs.images.new_zeros(inputs.images.shape[0], dtype=torch.float32)
        for layer, weight in self._weights.items():
            target = inputs.photos.features[layer]
            distance = squared_distance(inputs.features[layer], target, mask_at(inputs.masks.get(self.name), target))
            content = content + weight * self._normalized(distance, target)
        return content

    def _normalized(self, distance: Tensor, target: Tensor) -> Tensor:
        match self.config.normalization:
            case "relative":
                return distance / squared_norm(target)
            case "gatys":
                return distance / 2
            case "sum":
                return distance
            case _:  # mean, chw
                return distance / target[0].numel()
