"""Groups of options of a style's training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from fastnst.errors import ConfigError, DownloadError
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.perceptual import PerceptualConfig, build_perceptual


@dataclass
class NetworkConfig:
    """The choice of a style network.

    Attributes:
        name: of `networks.NETWORKS`, such as `swift` or `swift-s`.
        options: of this network, such as `{width: 96}`; what is left out keeps the network's default.
    """

    name: str = "swift"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WarmupPerceptual:
    """A cheaper perceptual network that a training begins with: most of what is to be learned it teaches as well.

    Attributes:
        name: `slim`, or another perceptual network; None leaves it out.
        share: of the steps.
        weights_file: local weights, where it does not ship.
    """

    name: str | None = None
    share: float = 0.7
    weights_file: str | None = None

    def objective(self, own: PerceptualConfig, config: ObjectiveConfig) -> Objective | None:
        """The same objective on this network; None if there is none, or if it is the training's own as well.

        Raises `DownloadError`, or `ConfigError` for one that lacks the objective's layers, naming these options.
        """
        if self.name is None or self.share == 0 or (self.name, self.weights_file) == (own.name, own.weights_file):
            return None
        try:
            perceptual = PerceptualConfig(self.name, weights_file=self.weights_file, padding=own.padding)
            return Objective(build_perceptual(perceptual), config)
        except DownloadError as error:
            remedy = (
                "pass --model.warmup_perceptual.weights_file FILE, or go without: --model.warmup_perceptual.name null."
            )
            raise DownloadError(error.fact, remedy) from error
        except ConfigError as error:
            raise ConfigError(
                f"the perceptual network of the beginning (--model.warmup_perceptual.*): {error}"
            ) from error


@dataclass
class StyleCredits:
    """The painting's description in the model file. All free text.

    Attributes:
        data: the photos that it learned from; left out, their number, and the name of a dataset of the hub.
    """

    title: str = ""
    artist: str = ""
    year: str = ""
    movement: str = ""
    licence: str = ""
    data: str = ""


def check_at_least(values: dict[str, float], least: float, *, above: bool = False) -> None:
    """Raise `ConfigError` for the first of these options that is below `least`, or not above it, or not finite."""
    for name, value in values.items():
        if math.isinf(value):
            raise ConfigError(f"{name} must be a finite number, not {value}.")
        if not (value > least if above else value >= least):
            raise ConfigError(f"{name} must be {'above' if above else 'at least'} {least:g}, not {value}.")


def check_shares(values: dict[str, float]) -> None:
    """Raise `ConfigError` for the first of these options that is not a share."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be between 0 and 1, not {value}.")
