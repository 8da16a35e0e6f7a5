"""How a start is learned."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastnst.errors import ConfigError, check_ranges
from fastnst.losses.config import ObjectiveConfig, check_choice
from fastnst.perceptual import PerceptualConfig
from fastnst.training.settings import NetworkConfig

_RANGES: dict[str, tuple[float, float]] = {
    "tasks": (1, 10**9), "together": (1, 256), "inner_steps": (1, 10**6), "batch_size": (1, 4096),
    "save_every": (1, 10**9), "style_size": (16, 8192), "image_size": (16, 8192), "learning_rate": (0, 1e3),
    "warmup": (0, 1), "final_rate": (0, 1), "seed": (0, 2**32 - 1),
}  # fmt: skip


@dataclass
class StartConfig:
    """How a start is learned.

    Attributes:
        paintings: folder of paintings to learn from.
        photos: as of a training: a folder, .parquet files, or a dataset of the hub.
        leave_out: base names of paintings that are kept as a test.
        output: folder of the run: `start.safetensors`, `state.safetensors` to go on from, `log.jsonl`.
        init: a trained network to begin from, a style's name or a file; None begins from random weights.
        network: the style network.
        perceptual: the perceptual network.
        objective: what is asked of a picture, as in the recipe of a training.
        tasks: paintings drawn in all, a multiple of `together`.
        together: paintings trained on side by side, on the same photos; the start moves towards the mean of what comes
            out. One is Reptile as published; a GPU, which would be idle between two small steps, takes sixteen.
        inner_steps: training steps on each.
        outer_rate: share of the way that the start moves after the first painting; it falls to 0 on a line.
        optimizer: of the inner steps, with a fresh state for each painting.
        learning_rate: its peak.
        warmup: share of the inner steps in which the rate rises.
        final_rate: the rate at the last inner step, as a share of the peak.
        style_size: long side in pixels at which paintings are seen.
        image_size: side of the photos' crops.
        batch_size: crops a step.
        cache: where photos are kept as bytes: `none`, `memory` or `device` (see `PhotoData`).
        save_every: paintings between two saved states.
        seed: decides all that is drawn.
    """

    paintings: str
    photos: str
    leave_out: list[str] = field(default_factory=list)
    output: str = "runs/start"
    init: str | None = None
    network: NetworkConfig = field(default_factory=NetworkConfig)
    perceptual: PerceptualConfig = field(default_factory=lambda: PerceptualConfig("slim", padding="replicate"))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    tasks: int = 2400
    together: int = 1
    inner_steps: int = 25
    outer_rate: float = 0.5
    optimizer: str = "muon"
    learning_rate: float = 1e-2
    warmup: float = 0.2
    final_rate: float = 0.1
    style_size: int = 384
    image_size: int = 224
    batch_size: int = 1
    cache: str = "none"
    save_every: int = 10
    seed: int = 0

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        check_ranges({name: (getattr(self, name), *limits) for name, limits in _RANGES.items()})
        check_choice("cache", self.cache, ("none", "memory", "device"))
        if self.tasks % self.together:
            raise ConfigError(f"tasks must be a multiple of together, {self.together}, not {self.tasks}.")
        if not 0 < self.outer_rate <= 1:
            raise ConfigError(f"outer_rate must be above 0 and at most 1, not {self.outer_rate}.")
