"""Photos of people with their mattes, to learn from."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from fastnst.errors import ConfigError
from fastnst.images.decode import open_image
from fastnst.images.folders import find_images
from fastnst.runtime.portrait.matte_files import MatteFolder, check_size, open_matte


class PortraitPairs:
    """`<folder>/image/NAME.*` and their mattes in `<folder>/matte/`, named as everywhere (`matte_files`).

    Raises `ConfigError` if a folder is missing, no photo has a matte, or one has several.
    """

    def __init__(self, folder: Path) -> None:
        for part in ("image", "matte"):
            if not os.path.isdir(folder / part):
                raise ConfigError(f"{folder} has no folder '{part}': portraits are pairs in image/ and matte/.")
        images = find_images([folder / "image"])
        self.pairs = MatteFolder(folder / "matte").pairs(images)

    def __len__(self) -> int:
        return len(self.pairs)

    def open(self, index: int) -> tuple[Image.Image, Image.Image]:
        """RGB photo and L matte of one size. Raises `ImageError` if one cannot be read or their sizes differ."""
        image_path, matte_path = self.pairs[index]
        image, matte = open_image(image_path), open_matte(matte_path)
        check_size(matte_path, matte, image.size)
        return image, matte
