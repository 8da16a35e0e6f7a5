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
from PIL import Image, ImageFilter

from fastnst.runtime.choice import StyleChoice
from fastnst.runtime.guided_filter import box_mean
from fastnst.runtime.metadata import StyleMetadata
from fastnst.runtime.style_model import StyleModel

_RADIUS = 8  # pixels: about one stroke of the networks, whatever the picture's size
_LEVEL = 1.0  # contrasts below this one, of 255, are noise and not amplified
_MOST = 2.0  # greatest gain; four unrelated styles in equal parts need it


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
        """What runs the models, the first one's where they differ."""
        return self.models[0].provider

    @property
    def precision(self) -> str:
        """What they compute in: `f32`, `bf16` or `f16`, or several of these."""
        return "+".join(dict.fromkeys(model.precision for model in self.models))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Restyle uint8 RGB `[N, H, W, 3]`, H and W ≥ 16; the same shape comes back. Takes the time of all styles."""
        outputs = [model(images) for model in self.models]
        return np.stack([mixed(pictures, self.weights) for pictures in zip(*outputs, strict=True)])


def open_style(choice: StyleChoice, provider: str = "auto", threads: int | None = None) -> StyleModel | StyleMix:
    """The style, or the mix, of a choice; see `StyleModel` for what is raised."""
    models = [StyleModel(path, provider, threads) for path in choice.paths]
    return models[0] if len(models) == 1 else StyleMix(models, choice.weights)


def mixed(pictures: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Restyled pictures of one photo, uint8 `[H, W, 3]`, put together by their weights, which sum to 1.

    A pixel depends on those within `3 · _RADIUS` only, so that tiles of a picture fit together.
    """
    average = np.zeros(pictures[0].shape, np.float32)
    wanted = np.zeros(average.shape[:2], np.float32)
    for picture, weight in zip(pictures, weights, strict=True):
        average += np.float32(weight) * picture
        wanted += np.float32(weight) * _contrast(picture)
    flat = _to_levels(average)
    gain = np.clip((wanted + _LEVEL) / (_contrast(flat) + _LEVEL), 1, _MOST)
    gain = box_mean(gain[None], _RADIUS)[0]  # a gain that jumps would draw lines of its own
    average += (gain - 1)[..., None] * (average - _surroundings(Image.fromarray(flat)))
    return _to_levels(average)


def _contrast(picture: np.ndarray) -> np.ndarray:
    """How far luma is from its surroundings around each pixel (root mean square), float32 `[H, W]` in levels of 255."""
    luma = Image.fromarray(picture).convert("L")
    detail = np.asarray(luma, np.float32) - _surroundings(luma)
    contrast: np.ndarray = np.sqrt(np.maximum(box_mean(np.square(detail)[None], _RADIUS)[0], 0))
    return contrast


def _surroundings(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.filter(ImageFilter.BoxBlur(_RADIUS)), np.float32)


def _to_levels(values: np.ndarray) -> np.ndarray:
    levels: np.ndarray = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return levels


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
