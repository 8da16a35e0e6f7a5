"""The settings of learning a predictor."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastnst.errors import ConfigError, check_ranges
from fastnst.losses.config import ObjectiveConfig
from fastnst.perceptual import PerceptualConfig
from fastnst.training.settings import NetworkConfig

# Two draws at least, so that styles have a spread; sizes are what the perceptual network and the memory can do with.
_RANGES: dict[str, tuple[float, float]] = {
    "draws": (2, 10**6), "photo_count": (1, 10**6), "steps": (1, 10**9), "batch_size": (1, 4096),
    "hidden": (1, 2**14), "photo_size": (16, 8192), "image_size": (16, 8192), "style_size": (16, 8192),
    "recoloured": (0, 1), "photographs": (0, 1), "blended": (0, 1), "learning_rate": (0, 1e3),
    "weight_decay": (0, 1e3), "network_rate": (0, 1e3), "save_every": (0, 1e9), "seed": (0, 2**32 - 1),
}  # fmt: skip


@dataclass
class PredictorConfig:
    """How a predictor of affines is learned.

    Attributes:
        paintings: folder of paintings to learn from.
        photos: as of a training: a folder, .parquet files, or a dataset of the hub.
        leave_out: base names of paintings that are kept as a test, measured before and after.
        output: the predictor's file.
        init: the start whose affines are guessed: `start`, a style's name or a file; None begins from random weights of
            `network`, which `network_rate` must then move.
        network: the style network where there is no `init`.
        perceptual: the perceptual network; a predictor sees paintings by `slim`.
        objective: what is asked of a picture, as in the recipe of a training.
        draws: styles that are drawn before the first step.
        recoloured: share of them that are paintings in the colours of a photo.
        photographs: share of them that are photos, so that the guess also knows what lies between paintings.
        blended: share of a step's styles that are mixtures of two.
        photo_count: photos to keep on the device.
        photo_size: side of their squares in pixels.
        image_size: side of the crops.
        style_size: long side in pixels at which paintings are seen.
        steps: at most.
        seconds: at most, with the preparation; None leaves it to the steps.
        batch_size: styles a step, each on a photo of its own.
        hidden: width of the predictor.
        learning_rate: its peak.
        weight_decay: of AdamW.
        network_rate: peak rate at which Muon moves the start's own weights with it; 0 leaves them as they are. Else the
            start is a new one, whose affines are the mean over all styles (conditional instance normalization, Dumoulin
            et al. 2017), and is written beside the predictor as `start.safetensors`.
        save_every: seconds between two saved files.
        seed: decides all that is drawn.
    """

    paintings: str
    photos: str
    leave_out: list[str] = field(default_factory=list)
    output: str = "runs/predictor/predictor.safetensors"
    init: str | None = "start"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    perceptual: PerceptualConfig = field(default_factory=lambda: PerceptualConfig("slim", padding="replicate"))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    draws: int = 2048
    recoloured: float = 0.3
    photographs: float = 0.2
    blended: float = 0.5
    photo_count: int = 512
    photo_size: int = 288
    image_size: int = 224
    style_size: int = 384
    steps: int = 4000
    seconds: float | None = None
    batch_size: int = 16
    hidden: int = 160
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    network_rate: float = 0.0
    save_every: float = 20.0
    seed: int = 0

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        if not self.output:
            raise ConfigError("output is empty: name the predictor's file.")
        check_ranges({name: (getattr(self, name), *limits) for name, limits in _RANGES.items()})
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigError(f"seconds must be above 0, not {self.seconds}.")
        if self.init is None and self.network_rate == 0:
            raise ConfigError("without init the network is random: give network_rate, about 0.01, so that it learns.")
        if self.photo_size < self.image_size:
            raise ConfigError(f"photo_size must be at least image_size, {self.image_size}, not {self.photo_size}.")
        if self.perceptual.name != "slim":
            raise ConfigError(f"a predictor sees paintings by slim, not by {self.perceptual.name}.")
