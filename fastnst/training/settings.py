"""Groups of options of a style's training."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass
class StyleCredits:
    """What the model file says of its painting. All free text."""

    title: str = ""
    artist: str = ""
    year: str = ""
    movement: str = ""
    licence: str = ""
    data: str = ""
