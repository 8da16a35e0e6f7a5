"""Several styles in one picture: their pictures are averaged, and the strokes that averages lose are brought back.

Where strokes of two styles cross they partly cancel, so a plain average looks washed out: of two unrelated textures in
equal parts it keeps 71 % of the contrast. Every pixel's difference from its surroundings is therefore amplified until
the local contrast (standard deviation of luma) is the weighted mean of the styles' own. What the styles agree on,
the photo's outlines, keeps its contrast in an average and is not amplified, so there are no halos.

Averages are taken of sRGB levels: in linear light the brighter style covers the other's dark lines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastnst.runtime.imaging.blending import mixed
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_model import StyleModel
from fastnst.runtime.models.style_spec import StyleChoice


class StyleMix:
    """Open styles with weights; runs like one `StyleModel`: uint8 `[N, H, W, 3]` in, the same out.

    Args:
        models: two or more.
        weights: one each, positive, with the sum 1.
    """

    def __init__(self, models: Sequence[StyleModel], weights: Sequence[float]) -> None:
        self.models, self.weights = tuple(models), tuple(weights)
        self.metadata = _described([model.metadata for model in models], weights)

    @property
    def provider(self) -> str:
        """The engine that runs the models, the first one's where they differ."""
        return self.models[0].provider

    @property
    def precision(self) -> str:
        """Their precision: `f32`, `bf16` or `f16`, or several of these."""
        return "+".join(dict.fromkeys(model.precision for model in self.models))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Restyle uint8 RGB `[N, H, W, 3]`, H and W ≥ 16; the same shape comes back. Takes the time of all styles."""
        outputs = [model(images) for model in self.models]
        return np.stack([mixed(pictures, self.weights) for pictures in zip(*outputs, strict=True)])


def open_style(choice: StyleChoice, provider: str = "auto", threads: int | None = None) -> StyleModel | StyleMix:
    """The style, or the mix, of a choice; see `StyleModel` for what is raised."""
    models = [StyleModel(path, provider, threads) for path in choice.paths]
    return models[0] if len(models) == 1 else StyleMix(models, choice.weights)


def _described(parts: Sequence[StyleMetadata], weights: Sequence[float]) -> StyleMetadata:
    """A mix's description: the parts' names with their shares, whatever else they have, each once."""
    shares = [f"{100 * weight:.0f} %" for weight in weights]

    def once(field: str) -> str:
        return ", ".join(dict.fromkeys(filter(None, (getattr(part, field) for part in parts))))

    return StyleMetadata(
        name=" + ".join(f"{part.name} {share}" for part, share in zip(parts, shares, strict=True)),
        title=" + ".join(f"{part.title or part.name} {share}" for part, share in zip(parts, shares, strict=True)),
        artist=once("artist"),
        movement=once("movement"),
        licence=once("licence"),
        precision=once("precision"),
        fastnst_version=once("fastnst_version"),
    )
