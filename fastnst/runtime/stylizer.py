"""One line for a user: `Stylizer("starry_night")(photo)`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.errors import ConfigError, ImageError
from fastnst.images.inputs import PhotoInput, as_pixels
from fastnst.runtime.engine.session import ModelMemoryError
from fastnst.runtime.finishing import Finisher, RestyleOptions
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.style_blend import open_style
from fastnst.runtime.models.style_model import MIN_SIDE
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
        image: PhotoInput,
        *,
        strength: float = 1.0,
        preserve_color: bool = False,
        max_size: int | None = None,
        stroke: float = 1.0,
        tile: str | float = "auto",
    ) -> Image.Image:
        """Restyle one picture.

        Args:
            image: a Pillow image, uint8 `[H, W, 3]` RGB, a file, or an encoded picture as bytes or a binary stream.
            strength: 0 leaves the photo, 1 is the full style, between them the two are blended.
            preserve_color: keep the photo's colours and take the painting's light and strokes.
            max_size: work at this long side in pixels at most.
            stroke: size of the strokes, 0.5 … 2 times the style's own; 0.5 takes four times the time and memory.
            tile: megapixels that are computed at once; larger pictures are restyled part by part. `auto` does so above
                8 megapixels, and where the memory does not suffice; `off` never.

        Returns a Pillow image of mode RGB, of the photo's size or of `max_size`. Raises `ImageError` for what is no
        picture or too small, `ConfigError` for numbers out of range.
        """
        photo = as_pixels(image, None if max_size is None else check_max_size(max_size))
        options = RestyleOptions(strength, preserve_color, stroke)
        return Image.fromarray(self.apply(photo, options, tile))

    def batch(self, images: UInt8Image, options: RestyleOptions | None = None) -> UInt8Image:
        """Restyle pictures of one size in one call of the engine: uint8 RGB `[N, H, W, 3]`, and the same comes back."""
        options = options or RestyleOptions()
        options.validate()
        if images.ndim != 4:
            raise ImageError(f"a batch must be uint8 [N, H, W, 3], not {images.dtype} {list(images.shape)}.")
        finisher = Finisher(options)
        restyled = at_stroke(self.model, images, options.stroke)
        return np.stack([finisher.adjust(photo, picture) for photo, picture in zip(images, restyled, strict=True)])

    def apply(self, photo: UInt8Image, options: RestyleOptions, tile: str | float = "auto") -> UInt8Image:
        """Restyle and adjust one picture without any portrait: uint8 `[H, W, 3]`, and the same comes back."""
        options.validate()
        if options.strength == 0:
            parse_tile(tile)
            _check_size(photo.shape[1], photo.shape[0])
            return photo.copy()
        return Finisher(replace(options, smooth=False)).adjust(photo, self.restyle(photo, options.stroke, tile))

    def restyle(self, photo: UInt8Image, stroke: float = 1.0, tile: str | float = "auto") -> UInt8Image:
        """The style at full strength: uint8 `[H, W, 3]`, and the same comes back. `stroke` and `tile` as for a call."""
        check_stroke(stroke)
        megapixels = parse_tile(tile)
        _check_size(photo.shape[1], photo.shape[0])

        def each(frames: UInt8Image) -> UInt8Image:
            return np.stack([self._at_once_or_tiled(frame, megapixels) for frame in frames])

        restyled: UInt8Image = at_stroke(each, photo[None], stroke)[0]
        return restyled

    def _at_once_or_tiled(self, pixels: UInt8Image, megapixels: float | None) -> UInt8Image:
        """uint8 `[H, W, 3]` restyled, whole or in tiles. Raises `ImageError` if the memory does not suffice."""
        tiles = choose_tiles(pixels.shape[0], pixels.shape[1], megapixels)
        try:
            if tiles is None:
                try:
                    whole: UInt8Image = self.model(pixels[None])[0]
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


def check_max_size(max_size: int) -> int:
    """`max_size` itself; raises `ConfigError` below the smallest picture that can be restyled."""
    if max_size < MIN_SIDE:
        raise ConfigError(f"max-size must be at least {MIN_SIDE} pixels, not {max_size}.")
    return max_size


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"a picture of {width}×{height} pixels is too small: {MIN_SIDE}×{MIN_SIDE} is the least.")
