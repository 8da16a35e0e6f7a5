"""The objective's configuration: layers, forms, and a weight for every term."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from fastnst.errors import ConfigError, suggest
from fastnst.losses.registry import TERMS, float_fields, weight_key
from fastnst.losses.style import STATISTICS

NORMALIZATIONS = ("relative", "gatys", "mean", "sum", "chw")


@dataclass(frozen=True)
@float_fields(lambda term: {weight_key(term.name): (term.default_weight, term.about)})
class ObjectiveConfig:
    """The settings of an objective. The defaults need no tuning: relative terms make one style weight fit all.

    Attributes:
        content_layers: layers whose features should stay the photo's.
        style_layers: layers whose statistics should become the painting's.
        content_layer_weights: one weight a content layer (default: equal).
        style_layer_weights: one weight a style layer (default: equal).
        normalization: `relative` (ours), or a published form; see `Objective`.
        statistic: `gram`, `covariance`, `mean_std`, or `sliced` (Wasserstein, of whole distributions).
    """

    content_layers: list[str] = field(default_factory=lambda: ["relu4_2"])
    style_layers: list[str] = field(default_factory=lambda: ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"])
    content_layer_weights: list[float] | None = None
    style_layer_weights: list[float] | None = None
    normalization: str = "relative"
    statistic: str = "gram"

    if TYPE_CHECKING:  # the weights, one for each term of the registry, come from `float_fields`

        def __init__(
            self,
            *,
            content_layers: list[str] = ...,
            style_layers: list[str] = ...,
            content_layer_weights: list[float] | None = ...,
            style_layer_weights: list[float] | None = ...,
            normalization: str = ...,
            statistic: str = ...,
            **weights: float,
        ) -> None: ...

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term, by its name."""
        return {name: float(getattr(self, weight_key(name))) for name in TERMS}

    def with_weights(self, **weights: float) -> ObjectiveConfig:
        """The same with other weights, by the terms' names."""
        return replace(self, **{weight_key(name): weight for name, weight in weights.items()})  # type: ignore[arg-type]

    def for_pictures(self) -> ObjectiveConfig:
        """The same without the terms that only a training can measure."""
        return self.with_weights(**{name: 0.0 for name, term in TERMS.items() if term.needs_network()})

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_choice("statistic", self.statistic, tuple(STATISTICS))
        if self.normalization in ("gatys", "chw") and self.statistic != "gram":
            raise ConfigError(f"normalization '{self.normalization}' is defined for the Gram statistic only.")
        for name in map(weight_key, TERMS):
            value = getattr(self, name)
            if not isinstance(value, int | float):  # of a recipe: null
                raise ConfigError(f"{name} must be a number, not {value!r}.")
            check_weight(name, value)
        for kind in ("content", "style"):
            _check_layers(kind, getattr(self, f"{kind}_layers"), getattr(self, f"{kind}_layer_weights"))
        weights = self.weights
        if not any(weights[kind] > 0 and getattr(self, f"{kind}_layers") for kind in ("content", "style")):
            raise ConfigError("nothing to optimize: give the content or the style term a positive weight and a layer.")


def objective_config(loss_weights: Mapping[str, Any]) -> ObjectiveConfig:
    """The objective that a model's metadata describes, in the keys of any version, for photos without mattes.

    They are all background, so that the weights of a training with mattes count as those outside of people.
    """
    known = {entry.name for entry in fields(ObjectiveConfig)}
    former = {key: weight_key(term.name) for term in TERMS.values() for key in term.former_keys}
    values = {former.get(key, key): value for key, value in loss_weights.items()}
    mattes = values.get("mattes")
    if isinstance(mattes, Mapping):
        outside = {weight_key(name): mattes.get(f"{name}_outside") for name in TERMS}
        for key, share in outside.items():
            weight = values.get(key)
            if isinstance(weight, int | float) and isinstance(share, int | float):  # else `validate` says so
                values[key] = weight * share
    return ObjectiveConfig(**{key: value for key, value in values.items() if key in known})


def check_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    """Raise `ConfigError`, with the nearest that exists, for a value that is none of `known`."""
    if value not in known:
        raise ConfigError(f"unknown {option} '{value}'.{suggest(value, known)} Choose one of: {', '.join(known)}.")


def check_weight(name: str, value: float) -> None:
    """Raise `ConfigError` for a weight that is negative or not a number."""
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{name} must be a finite number of at least 0, not {value}.")


def _check_layers(kind: str, layers: list[str], weights: list[float] | None) -> None:
    odd = next((layer for layer in layers if not re.fullmatch(r"\w{1,60}", layer)), None)
    if odd is not None:
        raise ConfigError(f"no network has a {kind} layer '{odd[:60]}': layers are called conv3_1, relu4_1 and so on.")
    if len(set(layers)) != len(layers):
        raise ConfigError(f"{kind}_layers names a layer twice: {', '.join(layers)}.")
    if weights is None:
        return
    if len(weights) != len(layers):
        raise ConfigError(f"{kind}_layer_weights has {len(weights)} weights for {len(layers)} {kind} layers.")
    for weight in weights:
        check_weight(f"{kind}_layer_weights", weight)
    if layers and not any(weights):
        raise ConfigError(f"{kind}_layer_weights are all zero: give at least one layer a positive weight.")
