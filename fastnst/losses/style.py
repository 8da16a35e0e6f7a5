"""The style term: statistics of features that should become the painting's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.losses.sliced import sliced_quantiles
from fastnst.losses.statistics import (
    covariance,
    gram_matrix,
    layer_weights,
    mask_at,
    mean_std,
    squared_distance,
    squared_norm,
)
from fastnst.losses.term import LossTerm, TermInputs

if TYPE_CHECKING:
    from fastnst.losses.config import ObjectiveConfig

Statistic = Callable[[Tensor, Tensor | None], Tensor]

STATISTICS: dict[str, Statistic] = {
    "gram": gram_matrix,
    "covariance": covariance,
    "mean_std": mean_std,
    "sliced": sliced_quantiles,
}


class StyleTerm(LossTerm):
    """Squared distance of a statistic from the paintings', over the style layers; `Objective` has the formulas."""

    name = "style"
    label = "style"
    about = "weight of the style term."
    default_weight = 10.0
    needs = frozenset({"features"})
    learns_style = True
    masked = True
    always = True

    def __init__(self, config: ObjectiveConfig) -> None:
        super().__init__(config)
        self._weights = layer_weights(config.style_layers, config.style_layer_weights, config.normalization)
        self._statistic = STATISTICS[config.statistic]
        for layer in config.style_layers:
            # Fixed targets: computed from the painting, never trained, never in a checkpoint.
            self.register_buffer(self._buffer(layer), None, persistent=False)

    def layers(self) -> Sequence[str]:
        """The style layers."""
        return self.config.style_layers

    def raw_layers(self) -> Sequence[str]:
        """Those whose statistic can be read out itself: a product of small matrices where maps are large."""
        return self.config.style_layers if self.config.statistic in ("gram", "covariance") else ()

    def set_style(self, paintings: Sequence[TermInputs], shares: Sequence[float]) -> None:
        """Average the paintings' statistics."""
        averaged: dict[str, Tensor] = {}
        for painting, share in zip(paintings, shares, strict=True):
            for layer in self.config.style_layers:
                part = self._measured(painting, layer) * share
                averaged[layer] = averaged[layer] + part if layer in averaged else part
        for layer, statistic in averaged.items():
            before = getattr(self, self._buffer(layer))
            if before is not None and (before.shape, before.device) == (statistic.shape, statistic.device):
                before.copy_(statistic)  # in its place, which a recorded CUDA graph reads
            else:
                setattr(self, self._buffer(layer), statistic)

    def use_targets(self, targets: Mapping[str, Tensor]) -> None:
        """Take statistics that are at hand, `{layer: [N, C, C]}`: one painting's for all samples, or each one's own."""
        for layer in self.config.style_layers:
            setattr(self, self._buffer(layer), targets[layer])

    def targets(self) -> dict[str, Tensor]:
        """The statistics of all style layers, as `use_targets` takes them."""
        return {layer: self.target(layer) for layer in self.config.style_layers}

    def target(self, layer: str) -> Tensor:
        """The paintings' statistic at a style layer, `[1, C, C]` (`[1, D]` where it is no matrix) float32."""
        target = getattr(self, self._buffer(layer))
        if target is None:
            raise ConfigError("the objective has no style yet: call set_style first.")
        assert isinstance(target, Tensor)
        return target

    def forward(self, inputs: TermInputs) -> Tensor:
        """`[N]`; with a mask the statistics are taken over it and divided by its area."""
        style = torch.zeros(inputs.images.shape[0], device=inputs.images.device)
        for layer, weight in self._weights.items():
            statistic = self._measured(inputs, layer)
            style = style + weight * self._distance(statistic, self.target(layer), inputs.features[layer])
        return style

    def _measured(self, inputs: TermInputs, layer: str) -> Tensor:
        features = inputs.features[layer]
        raw, positions = layer in inputs.raw, features.shape[2] * features.shape[3]
        if raw and positions < 2 * features.shape[1]:
            raw, features = False, inputs.perceptual.read_out_features(layer, features)
        statistic = self._statistic(features, mask_at(inputs.masks.get(self.name), features))
        return inputs.perceptual.read_out_moments(layer, statistic) if raw else statistic

    def _distance(self, statistic: Tensor, target: Tensor, features: Tensor) -> Tensor:
        distance = squared_distance(statistic, target)
        channels, positions = features.shape[1], features.shape[2] * features.shape[3]
        match self.config.normalization:
            case "relative":
                return distance / squared_norm(target)
            case "gatys":
                return distance / (4 * channels**2)
            case "sum":
                return distance
            case "chw":  # mean over C² of (M·ΔG)², over C·M
                return distance * positions / channels**3
            case _:  # mean
                scale = channels**2 if self.config.statistic in ("gram", "covariance") else 1
                return distance / (target[0].numel() * scale)

    @staticmethod
    def _buffer(layer: str) -> str:
        return f"_target_{layer}"
