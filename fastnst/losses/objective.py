"""The objective that both training and the per-image reference lower: content, style and total variation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastnst.errors import ConfigError, suggest
from fastnst.losses.statistics import (
    covariance,
    gram_matrix,
    mean_std,
    resize_mask,
    squared_distance,
    squared_norm,
    total_variation,
)
from fastnst.perceptual.network import PerceptualNetwork

Statistic = Callable[[Tensor, Tensor | None], Tensor]

STATISTICS: dict[str, Statistic] = {"gram": gram_matrix, "covariance": covariance, "mean_std": mean_std}
NORMALIZATIONS = ("relative", "gatys", "mean", "sum", "chw")


@dataclass
class ObjectiveConfig:
    """What is asked of a picture. The defaults need no tuning: relative terms make one style weight fit all.

    Attributes:
        content_layers: layers whose features should stay the photo's.
        style_layers: layers whose statistics should become the painting's.
        content_layer_weights: one weight a content layer (default: equal).
        style_layer_weights: one weight a style layer (default: equal).
        content_weight: weight of the content term.
        style_weight: weight of the style term.
        tv_weight: weight of the total variation term.
        normalization: `relative` (ours), or a published form; see `Objective`.
        statistic: `gram`, `covariance` or `mean_std`.
    """

    content_layers: list[str] = field(default_factory=lambda: ["relu4_2"])
    style_layers: list[str] = field(default_factory=lambda: ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"])
    content_layer_weights: list[float] | None = None
    style_layer_weights: list[float] | None = None
    content_weight: float = 1.0
    style_weight: float = 10.0
    tv_weight: float = 0.0
    normalization: str = "relative"
    statistic: str = "gram"

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        _one_of("normalization", self.normalization, NORMALIZATIONS)
        _one_of("statistic", self.statistic, tuple(STATISTICS))
        if self.normalization in ("gatys", "chw") and self.statistic != "gram":
            raise ConfigError(f"normalization '{self.normalization}' is defined for the Gram statistic only.")
        for name in ("content_weight", "style_weight", "tv_weight"):
            _check_weight(name, getattr(self, name))
        for kind in ("content", "style"):
            layers: list[str] = getattr(self, f"{kind}_layers")
            weights: list[float] | None = getattr(self, f"{kind}_layer_weights")
            if len(set(layers)) != len(layers):
                raise ConfigError(f"{kind}_layers names a layer twice: {', '.join(layers)}.")
            if weights is None:
                continue
            if len(weights) != len(layers):
                raise ConfigError(f"{kind}_layer_weights has {len(weights)} weights for {len(layers)} {kind} layers.")
            for weight in weights:
                _check_weight(f"{kind}_layer_weights", weight)
            if layers and not any(weights):
                raise ConfigError(f"{kind}_layer_weights are all zero: give at least one layer a positive weight.")
        terms = [(self.content_weight, self.content_layers), (self.style_weight, self.style_layers)]
        if not any(weight > 0 and layers for weight, layers in terms):
            raise ConfigError("nothing to optimize: give the content or the style term a positive weight and a layer.")

    @property
    def layers(self) -> list[str]:
        """All layers read, without repetition."""
        return list(dict.fromkeys([*self.content_layers, *self.style_layers]))


class LossTerms(NamedTuple):
    """The weighted-in parts and their sum. Each is `[N]` (one value a sample) or, after `mean`, a scalar.

    `content`, `style` and `tv` come without their weights; `total` is the weighted sum that is minimized.
    """

    content: Tensor
    style: Tensor
    tv: Tensor
    total: Tensor

    def mean(self) -> LossTerms:
        """The terms averaged over the batch."""
        return LossTerms(*(term.mean() for term in self))

    def floats(self) -> dict[str, float]:
        """The batch means as `{name: number}`, for logs and reports."""
        return {name: float(term.mean()) for name, term in self._asdict().items()}


class Objective(nn.Module):
    """Content + style + total variation, measured by a perceptual network.

    With F the features, G their statistic (for Gram, G = FFᵀ/M with M = H·W positions), C channels, and s, c the
    style's and the photo's, the terms of one layer are:

    | normalization | content | style | source |
    |---|---|---|---|
    | relative | ‖F−Fc‖² / ‖Fc‖² | ‖G−Gs‖² / ‖Gs‖² | ours: no units, so weights carry over |
    | gatys | ½ ‖F−Fc‖² | ‖G−Gs‖² / (4C²) | Gatys et al. 2016, eq. 1 and 4 (for equal sizes) |
    | mean | mean (F−Fc)² | mean (G/C − Gs/C)² | Johnson et al. 2016, eq. 2-4; pytorch/examples |
    | sum | ‖F−Fc‖² | ‖G−Gs‖² | plain |
    | chw | mean (F−Fc)² | mean (M·G − M·Gs)² / (C·M) | common course recipe: MSE of unscaled Grams over C·H·W |

    `relative` and `gatys` average layers (weights are scaled to sum to one); the others add them as weighted.
    Gatys' form divides each picture's Gram by its own area, so painting and photo may differ in size; with equal
    sizes it is the published one exactly.

    A mask `[N, 1, H, W]` weighs positions: content errors are multiplied by it, style statistics are taken over it
    and divided by its area.
    """

    def __init__(self, perceptual: PerceptualNetwork, config: ObjectiveConfig | None = None) -> None:
        super().__init__()
        self.config = config or ObjectiveConfig()
        self.config.validate()
        perceptual.check_layers(self.config.layers)
        self.perceptual = perceptual
        averages = self.config.normalization in ("relative", "gatys")
        self._content_weights = _layer_weights(
            self.config.content_layers, self.config.content_layer_weights, averages=averages
        )
        self._style_weights = _layer_weights(
            self.config.style_layers, self.config.style_layer_weights, averages=averages
        )
        self._statistic = STATISTICS[self.config.statistic]
        # Statistics that can be read out themselves, which is a product of small matrices where maps are large.
        quadratic = self.config.style_layers if self.config.statistic in ("gram", "covariance") else []
        self._raw = tuple(layer for layer in quadratic if layer not in self.config.content_layers)
        for layer in self.config.style_layers:
            # Fixed targets: computed from the painting, never trained, never in a checkpoint.
            self.register_buffer(self._buffer(layer), None, persistent=False)

    @torch.no_grad()
    def set_style(
        self,
        paintings: Sequence[Tensor],
        weights: Sequence[float] | None = None,
        masks: Sequence[Tensor | None] | None = None,
    ) -> None:
        """Take one or more paintings as the style: their statistics are averaged.

        Args:
            paintings: float RGB `[1, 3, H, W]` in [0, 1], each of its own size.
            weights: one non-negative weight a painting, scaled to sum to one (default: equal).
            masks: for each painting `[1, 1, H, W]` in [0, 1] of the part that counts, or None.

        Raises `ConfigError` for no painting, bad weights, or one too small for the deepest layer.
        """
        if not paintings:
            raise ConfigError("a style needs at least one painting.")
        shares = list(weights) if weights is not None else [1.0] * len(paintings)
        if len(shares) != len(paintings):
            raise ConfigError(f"{len(shares)} painting weights were given for {len(paintings)} paintings.")
        for share in shares:
            _check_weight("painting weight", share)
        if sum(shares) == 0:
            raise ConfigError("painting weights are all zero: give at least one painting a positive weight.")
        masks = masks if masks is not None else [None] * len(paintings)
        averaged: dict[str, Tensor] = {}
        for painting, share, mask in zip(paintings, shares, masks, strict=True):
            found = self.features(painting, self.config.style_layers)
            for layer, features in found.items():
                part = self._style_statistic(layer, features, mask) * (share / sum(shares))
                averaged[layer] = averaged[layer] + part if layer in averaged else part
        for layer, statistic in averaged.items():
            setattr(self, self._buffer(layer), statistic)

    def style_target(self, layer: str) -> Tensor:
        """The painting's statistic at a style layer, `[1, C, C]` (or `[1, 2C]` for mean_std) float32."""
        target = getattr(self, self._buffer(layer))
        if target is None:
            raise ConfigError("the objective has no style yet: call set_style first.")
        assert isinstance(target, Tensor)
        return target

    @torch.no_grad()
    def content_target(self, photos: Tensor) -> dict[str, Tensor]:
        """Content features of photos `[N, 3, H, W]` in [0, 1]: `{layer: [N, C, h, w]}`."""
        with torch.autocast(photos.device.type, enabled=False):
            return self.perceptual.features(photos, self.config.content_layers)

    def features(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """What `measure` wants of images `[N, 3, H, W]` in [0, 1], of all the objective's layers or of some."""
        return self.perceptual.features(images, self.config.layers if layers is None else layers, raw=self._raw)

    def forward(
        self,
        images: Tensor,
        content_target: Mapping[str, Tensor],
        *,
        content_mask: Tensor | None = None,
        style_mask: Tensor | None = None,
    ) -> LossTerms:
        """Measure images float RGB `[N, 3, H, W]` in [0, 1] against the photos' content and the style.

        Args:
            images: the pictures to judge; gradients flow to them.
            content_target: from `content_target`, of the same size.
            content_mask: `[N, 1, H, W]` in [0, 1], or None.
            style_mask: `[N, 1, H, W]` in [0, 1], or None.

        Returns the terms of each sample, `[N]` float32.
        """
        # Under an autocast of the caller the Gram products would lose their float32 again.
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            found = self.features(images)
            return self.measure(images, found, content_target, content_mask=content_mask, style_mask=style_mask)

    def measure(
        self,
        images: Tensor,
        found: Mapping[str, Tensor],
        content_target: Mapping[str, Tensor],
        *,
        content_mask: Tensor | None = None,
        style_mask: Tensor | None = None,
    ) -> LossTerms:
        """As `forward`, for images whose `features` are at hand: several masks then cost one pass."""
        content = images.new_zeros(images.shape[0], dtype=torch.float32)
        for layer, weight in self._content_weights.items():
            target = content_target[layer]
            content = content + weight * self._content_term(found[layer], target, _at(content_mask, target))
        style = torch.zeros_like(content)
        for layer, weight in self._style_weights.items():
            features = found[layer]
            statistic = self._style_statistic(layer, features, style_mask)
            style = style + weight * self._style_term(statistic, self.style_target(layer), features)
        tv = total_variation(images)
        total = self.config.content_weight * content + self.config.style_weight * style + self.config.tv_weight * tv
        return LossTerms(content, style, tv, total)

    def _style_statistic(self, layer: str, features: Tensor, mask: Tensor | None) -> Tensor:
        raw, positions = layer in self._raw, features.shape[2] * features.shape[3]
        if raw and positions < 2 * features.shape[1]:
            raw, features = False, self.perceptual.read_out_features(layer, features)
        statistic = self._statistic(features, _at(mask, features))
        return self.perceptual.read_out_moments(layer, statistic) if raw else statistic

    def _content_term(self, features: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        distance = squared_distance(features, target, mask)
        match self.config.normalization:
            case "relative":
                return distance / squared_norm(target)
            case "gatys":
                return distance / 2
            case "sum":
                return distance
            case _:  # mean, chw
                return distance / target[0].numel()

    def _style_term(self, statistic: Tensor, target: Tensor, features: Tensor) -> Tensor:
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
                scale = channels**2 if self.config.statistic != "mean_std" else 1
                return distance / (target[0].numel() * scale)

    @staticmethod
    def _buffer(layer: str) -> str:
        return f"_style_{layer}"


def _layer_weights(layers: list[str], weights: list[float] | None, *, averages: bool) -> dict[str, float]:
    values = weights if weights is not None else [1.0] * len(layers)
    scale = 1 / sum(values) if averages and layers else 1.0
    return {layer: weight * scale for layer, weight in zip(layers, values, strict=True)}


def _at(mask: Tensor | None, features: Tensor) -> Tensor | None:
    return None if mask is None else resize_mask(mask, (features.shape[2], features.shape[3]))


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"unknown {option} '{value}'.{suggest(value, known)} Choose one of: {', '.join(known)}.")


def _check_weight(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{name} must be a finite number of at least 0, not {value}.")
