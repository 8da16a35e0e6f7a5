"""Photos as Python callers may pass them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.errors import ImageError
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side

PhotoInput = Image.Image | UInt8Image | str | Path | bytes | BinaryIO


def as_pixels(image: PhotoInput, max_size: int | None = None) -> UInt8Image:
    """A photo as uint8 RGB `[H, W, 3]`, reduced to `max_size` pixels at the long side.

    Args:
        image: a Pillow image, uint8 `[H, W, 3]` RGB, a file, or an encoded picture as bytes or a binary stream.

    Raises `ImageError` for what cannot be read, or an array of another kind.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ImageError(f"an array must be uint8 [H, W, 3], not {image.dtype} {list(image.shape)}.")
        if max_size is None or max(image.shape[:2]) <= max_size:
            return image
        image = Image.fromarray(image)
    if isinstance(image, bytes):
        image = io.BytesIO(image)
    picture = image.convert("RGB") if isinstance(image, Image.Image) else open_image(image)
    if max_size is not None and max(picture.size) > max_size:
        picture = resize_long_side(picture, max_size)
    return np.asarray(picture)
