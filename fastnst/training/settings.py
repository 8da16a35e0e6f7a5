"""Groups of options of a style's training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastnst.errors import ConfigError, DownloadError
from fastnst.losses.objective import Objective, ObjectiveConfig
from fastnst.perceptual import PerceptualConfig, build_perceptual


@dataclass
class NetworkConfig:
    """Which style network learns.

    Attributes:
        name: `swift`, `swift-s`, `johnson` or `cyclegan`.
        width: channels; None takes the network's default.
        blocks: residual blocks; None takes the network's default.
    """

    name: str = "swift"
    width: int | None = None
    blocks: int | None = None


@dataclass
class FirstJudge:
    """A cheaper judge that a training begins with: most of what is to be learned it teaches as well.

    Attributes:
        name: `slim`, or another perceptual network; None leaves it out.
        share: of the steps.
        weights_file: local weights, where it does not ship.
    """

    name: str | None = None
    share: float = 0.7
    weights_file: str | None = None

    def objective(self, last: PerceptualConfig, config: ObjectiveConfig) -> Objective | None:
        """The same objective on this judge; None if there is none, or if it is the last one as well.

        Raises `DownloadError`, or `ConfigError` for a judge that lacks the objective's layers, naming these options.
        """
        if self.name is None or self.share == 0 or (self.name, self.weights_file) == (last.name, last.weights_file):
            return None
        try:
            judge = PerceptualConfig(self.name, weights_file=self.weights_file, padding=last.padding)
            return Objective(build_perceptual(judge), config)
        except DownloadError as error:
            remedy = "pass --model.first_judge.weights_file FILE, or go without: --model.first_judge.name null."
            raise DownloadError(error.fact, remedy) from error
        except ConfigError as error:
            raise ConfigError(f"the first judge (--model.first_judge.*): {error}") from error


@dataclass
class StyleCredits:
    """What the model file says of its painting. All free text."""

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
    """Raise `ConfigError` for the first of these options that is no share."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be between 0 and 1, not {value}.")
