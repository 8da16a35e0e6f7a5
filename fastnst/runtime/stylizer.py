"""One line for a user: `Stylizer("starry_night")(photo)`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.runtime.engine.session import ModelMemoryError
from fastnst.runtime.imaging.color import blend, transfer_luminance
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_blend import open_style
from fastnst.runtime.models.style_model import SMALLEST_SIDE
from fastnst.runtime.models.style_spec import StyleChoice, choose
from fastnst.runtime.stroke_size import at_stroke, check_stroke
from fastnst.runtime.tiling import TILE_PIXELS, Tiles, choose_tiles, parse_tile, run_in_tiles


class Stylizer:
    """Restyles pictures with one trained style, or a mix; the models stay open between calls.

    Args:
        style: the name of a style that ships, a style model file (.onnx), or a mix of several: `a:0.7,b:0.3`.
        provider: `auto` (the fastest that works), `cpu`, `openvino`, `cuda` or `tensorrt`.
        threads: CPU threads, at most the cores that this process may use; None takes all of these.

    Raises `StyleNotFoundError`, `ModelError`, `ConfigError` or `MissingDependencyError`, each in one sentence.
    """

    def __init__(self, style: str | Path | StyleChoice, provider: str = "auto", threads: int | None = None) -> None:
        self.model = open_style(choose(style), provider, threads)

    @property
    def metadata(self) -> StyleMetadata:
        """The style's own description: painting, recipe, objective."""
        return self.model.metadata

    def __call__(
        self,
        image: Image.Image | np.ndarray | str | Path,
        *,
        strength: float = 1.0,
        preserve_color: bool = False,
        max_size: int | None = None,
        stroke: float = 1.0,
        tile: str | float = "auto",
    ) -> Image.Image:
        """Restyle one picture.

        Args:
            image: a Pillow image, uint8 `[H, W, 3]` RGB, or a file.
            strength: 0 leaves the photo, 1 is the full style, between them the two are blended.
            preserve_color: keep the photo's colours and take the painting's light and strokes.
            max_size: work at this long side in pixels at most.
            stroke: size of the strokes, 0.5 … 2 times the style's own; 0.5 takes four times the time and memory.
            tile: megapixels that are computed at once; larger pictures are restyled part by part. `auto` does so above
                8 megapixels, and where the memory does not suffice; `off` never.

        Returns a Pillow image of mode RGB, of the photo's size or of `max_size`.
        """
        check_strength(strength)
        check_stroke(stroke)
        megapixels = parse_tile(tile)
        if isinstance(image, np.ndarray):
            _check_array(image)
            if max_size is None and strength == 1 and not preserve_color:
                # Nothing needs the photo as an image: at 720p each conversion costs half a millisecond.
                _check_size(image.shape[1], image.shape[0])
                return Image.fromarray(self._restyled(image, stroke, megapixels))
        photo = _as_rgb(image)
        if max_size is not None and max(photo.size) > check_max_size(max_size):
            photo = resize_long_side(photo, max_size)
        _check_size(*photo.size)
        if strength == 0:
            return photo.copy()
        stylized = Image.fromarray(self._restyled(np.asarray(photo), stroke, megapixels))
        if preserve_color:
            stylized = transfer_luminance(photo, stylized)
        return blend(photo, stylized, strength)

    def _restyled(self, pixels: np.ndarray, stroke: float, megapixels: float | None) -> np.ndarray:
        """uint8 `[H, W, 3]` restyled at a stroke size."""

        def restyle(frames: np.ndarray) -> np.ndarray:
            return np.stack([self._at_once_or_tiled(frame, megapixels) for frame in frames])

        restyled: np.ndarray = at_stroke(restyle, pixels[None], stroke)[0]
        return restyled

    def _at_once_or_tiled(self, pixels: np.ndarray, megapixels: float | None) -> np.ndarray:
        """uint8 `[H, W, 3]` restyled, whole or in tiles. Raises `ImageError` if the memory does not suffice."""
        tiles = choose_tiles(pixels.shape[0], pixels.shape[1], megapixels)
        try:
            if tiles is None:
                try:
                    whole: np.ndarray = self.model(pixels[None])[0]
                    return whole
                except (ModelMemoryError, MemoryError):
                    if megapixels is not None or pixels[..., 0].size <= TILE_PIXELS:
                        raise
                    tiles = Tiles()
            return run_in_tiles(pixels, self.model, tiles)
        except (ModelMemoryError, MemoryError) as error:
            raise ImageError(
                f"a picture of {pixels.shape[1]}×{pixels.shape[0]} pixels does not fit in the memory:"
                " restyle it in tiles (--tile 2, or less), or reduce it with --max-size."
            ) from error


def check_strength(strength: float) -> float:
    """`strength` itself; raises `ConfigError` outside 0 … 1."""
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength must be between 0 and 1, not {strength}.")
    return strength


def check_max_size(max_size: int) -> int:
    """`max_size` itself; raises `ConfigError` below the smallest picture that can be restyled."""
    if max_size < SMALLEST_SIDE:
        raise ConfigError(f"max-size must be at least {SMALLEST_SIDE} pixels, not {max_size}.")
    return max_size


def _as_rgb(image: Image.Image | np.ndarray | str | Path) -> Image.Image:
    if isinstance(image, str | Path):
        return open_image(image)
    return Image.fromarray(image) if isinstance(image, np.ndarray) else image.convert("RGB")


def _check_array(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"an array must be uint8 [H, W, 3], not {image.dtype} {list(image.shape)}.")


def _check_size(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise ImageError(
            f"a picture of {width}×{height} pixels is too small: {SMALLEST_SIDE}×{SMALLEST_SIDE} is the least."
        )
