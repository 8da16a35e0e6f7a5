"""Pictures, photos of a folder, and mattes as tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageColor
from torch import Tensor

from fastnst.errors import ConfigError, ImageError
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.folders import find_images
from fastnst.images.resize import resize_long_side, trimmed
from fastnst.runtime.portrait.matte_files import check_size, open_matte


def photo_list(folder: Path, count: int, size: int) -> list[tuple[str, Image.Image]]:
    """The first `count` readable photos below a folder, spread evenly over it, at `size` pixels long side."""
    paths = find_images([folder])
    chosen: list[tuple[str, Image.Image]] = []
    for index in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int):
        try:
            photo = open_image(paths[index])
        except ImageError:
            continue
        photo = resize_long_side(photo, size) if max(photo.size) > size else photo
        if min(photo.size) >= 64:
            chosen.append((paths[index].name, photo))
    if not chosen:
        raise ConfigError(f"no photos found in {folder} whose sides have at least 64 pixels at a size of {size}.")
    return chosen


def open_tensor(path: Path, size: int, trim: float = 0.0) -> Tensor:
    """A picture as float RGB `[1, 3, H, W]` in [0, 1]; larger ones are reduced to `size` at the long side.

    `trim` is left off at each border first, as a share of its sides.
    """
    image = trimmed(open_image(path), trim)
    if max(image.size) > size:
        image = resize_long_side(image, size)
    return torch.from_numpy(to_unit_floats(image))[None]


def named_colour(name: str) -> tuple[int, int, int]:
    """A colour's name or `#rrggbb` as levels. Raises `ConfigError` for anything else."""
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise ConfigError(
            f"unknown colour '{name}' for --background: give a name such as black, or #rrggbb."
        ) from error
    return red, green, blue


def open_mask(path: Path, photo: Tensor, original_size: tuple[int, int]) -> Tensor:
    """A matte file (grey, or a cut-out's alpha) as `[1, 1, H, W]` in [0, 1] at the photo's working size.

    Raises `ImageError` for no matte, or if its size is not that of the photo's file.
    """
    matte = open_matte(path)
    check_size(path, matte, original_size)
    return torch.from_numpy(to_unit_floats(matte.resize((photo.shape[3], photo.shape[2]))))[None]
