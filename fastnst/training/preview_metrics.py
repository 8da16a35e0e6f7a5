"""Preview metrics: grid, border, blobs and objective of a training's previews, and limits of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats
from fastnst.metrics.artifacts import blob_share, border_energy, dark_and_light_share, grid_energy
from fastnst.training.module import StyleTraining


@dataclass
class Limits:
    """Limits of the preview metrics; see `fastnst/metrics/artifacts.py` for the measures.

    The photos' own measures, or the paintings' where these are larger, are what the limits are relative to: an
    engraving may have lines. Of starry_night, whose grid texture can be seen at 200 %, the grid is 3.3, the border 0.8.

    Attributes:
        grid: grid energy as a multiple of the photos' own.
        border: border energy as a multiple of the photos' own.
        blobs: share of the pixels in clipped areas where the photos have none, above the share of the paintings' pixels
            in nearly clipped ones.
        explosion: the objective as a multiple of the best so far, which begins with that of the photos as they are, or
            of plain grey, whichever is worse.
    """

    grid: float = 8.0
    border: float = 3.0
    blobs: float = 0.05
    explosion: float = 3.0

    def validate(self) -> None:
        """Raise `ConfigError` for a limit that every picture would break."""
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name == "blobs" else 1
            if not value > least:
                raise ConfigError(f"guards.limits.{field.name} must be above {least}, not {value}.")


@dataclass(frozen=True)
class PreviewMetrics:
    """Measures of the previews, relative to the photos and paintings as `Limits` says.

    Attributes:
        grid, border: multiples, 1 is without artifacts.
        blobs: a share, 0 to 1.
        objective: its total on the previews, a mean.
        finite: whether all pixels and the objective are numbers; if not, the rest means nothing.
    """

    grid: float
    border: float
    blobs: float
    objective: float
    finite: bool = True

    def excesses(self, limits: Limits) -> list[str]:
        """Name the measures that are above their limits, in words."""
        allowed = asdict(limits)
        return [
            f"{label} {value:.3g} is above {allowed[name]:g}"
            for name, label in (("grid", "grid energy"), ("border", "border energy"), ("blobs", "the share of blobs"))
            if (value := getattr(self, name)) > allowed[name]
        ]


class PreviewEvaluator:
    """Measures what a network makes of the same photos each time.

    Args:
        module: a training whose style target is set.
        photos: uint8 RGB `[N, 3, H, W]`, both sides at least 64.
    """

    def __init__(self, module: StyleTraining, photos: Tensor) -> None:
        self.module, self.photos = module, photos
        self._pixels = _as_pictures(photos)
        paintings = [np.asarray(from_unit_floats(painting)) for painting in module.paintings]
        # 1 is what a picture without artifacts has: a flat photo with less must not make the limit narrower.
        self._grid = max(1.0, _mean(grid_energy, self._pixels), _mean(grid_energy, paintings))
        self._border = max(1.0, _mean(border_energy, self._pixels), _mean(border_energy, paintings))
        self._blobs = _mean(dark_and_light_share, paintings)
        unit = photos.float() / 255
        # What doing nothing costs: the worse of the photos as they are (no style) and plain grey (no content).
        self.idle_objective = max(self._objective(unit), self._objective(torch.full_like(unit, 0.5)))

    @torch.no_grad()
    def measure(self) -> PreviewMetrics:
        """Restyle the photos and measure."""
        module = self.module
        was_training = module.network.training
        module.network.eval()
        restyled = module(self.photos.to(module.device).float() / 255).float().cpu()
        module.network.train(was_training)
        if not bool(torch.isfinite(restyled).all()):
            return PreviewMetrics(0.0, 0.0, 0.0, 0.0, finite=False)
        pictures = [np.asarray(from_unit_floats(picture.numpy())) for picture in restyled]
        blobs = [blob_share(picture, photo) for picture, photo in zip(pictures, self._pixels, strict=True)]
        objective = self._objective(restyled)
        return PreviewMetrics(
            grid=_mean(grid_energy, pictures) / self._grid,
            border=_mean(border_energy, pictures) / self._border,
            blobs=max(0.0, float(np.mean(blobs)) - self._blobs),
            objective=objective,
            finite=math.isfinite(objective),
        )

    @torch.no_grad()
    def _objective(self, images: Tensor) -> float:
        objective, device = self.module.objective, self.module.device
        target = objective.content_target(self.photos.to(device).float() / 255)
        return float(objective(images.to(device), target).mean().total)


def _as_pictures(photos: Tensor) -> list[np.ndarray]:
    return list(photos.permute(0, 2, 3, 1).contiguous().numpy())


def _mean(measure: object, pictures: Sequence[np.ndarray]) -> float:
    assert callable(measure)
    return float(np.mean([measure(picture) for picture in pictures]))
