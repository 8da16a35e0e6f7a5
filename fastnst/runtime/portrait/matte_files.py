"""Read mattes from files, and put them on pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from fastnst.errors import ImageError
from fastnst.images.decode import open_picture
from fastnst.images.picture import Picture


def with_layers(photo: Picture, composed: np.ndarray) -> Picture:
    """The photo with composed pixels `[H, W, 3 or 4]`; where either is transparent the result is."""
    finished = photo.with_pixels(Image.fromarray(np.ascontiguousarray(composed[..., :3])))
    if composed.shape[2] == 3:
        return finished
    alpha = Image.fromarray(np.ascontiguousarray(composed[..., 3]))
    return replace(finished, alpha=ImageChops.multiply(alpha, finished.alpha) if finished.alpha else alpha)


def read_matte(path: Path, size: tuple[int, int], max_size: int | None = None) -> np.ndarray:
    """A matte file as float32 `[H, W]` in [0, 1]: a grey picture, or the alpha channel of a cutout.

    Raises `ImageError` for a colour picture or one of another size than the photo (`size`: width, height; `max_size` is
    applied to the matte as it was to the photo).
    """
    picture = open_picture(path, max_size=max_size)
    matte = picture.alpha
    if matte is None:
        red, *others = picture.rgb.split()
        if any(ImageChops.difference(red, other).getextrema()[1] > 8 for other in others):  # type: ignore[operator]
            raise ImageError(f"{path} is a colour picture, not a matte: white where people are, black elsewhere.")
        matte = red
    if matte.size != size:
        raise ImageError(
            f"the matte {path} has {matte.width}×{matte.height} pixels, the photo {size[0]}×{size[1]}: they must agree."
        )
    return np.asarray(matte, np.float32) / 255
