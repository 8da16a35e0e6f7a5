"""Pictures and mattes as tensors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fastnst.errors import ImageError
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side, trimmed


def open_tensor(path: Path, size: int, trim: float = 0.0) -> Tensor:
    """A picture as float RGB `[1, 3, H, W]` in [0, 1]; larger ones are reduced to `size` at the long side.

    `trim` is left off at each border first, as a share of its sides.
    """
    image = trimmed(open_image(path), trim)
    if max(image.size) > size:
        image = resize_long_side(image, size)
    return torch.from_numpy(to_unit_floats(image))[None]


def open_mask(path: Path, photo: Tensor, original_size: tuple[int, int]) -> Tensor:
    """A matte file as `[1, 1, H, W]` in [0, 1] at the photo's working size.

    Raises `ImageError` if the matte's size is not that of the photo's file.
    """
    matte = open_image(path).convert("L")
    if matte.size != original_size:
        raise ImageError(
            f"the matte {path} has {matte.width}×{matte.height} pixels, its photo"
            f" {original_size[0]}×{original_size[1]}: they must be the same."
        )
    return torch.from_numpy(to_unit_floats(matte.resize((photo.shape[3], photo.shape[2]))))[None]
