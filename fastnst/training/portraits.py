"""Portraits for training: photos with the alpha mattes of their people as a fourth channel."""

from __future__ import annotations

import logging
from pathlib import Path

from PIL import Image

from fastnst.images.decode import open_image
from fastnst.runtime.portrait.matte_files import MatteFolder, check_size, open_matte
from fastnst.trainer.photos import FolderSource

log = logging.getLogger(__name__)


class PortraitSource:
    """The photos below a folder that have a matte in another folder, named as everywhere (`matte_files`).

    A picture comes with mode RGBX whose fourth channel is the matte: unlike RGBA, it is resized without multiplying
    the colours by it.

    Raises `ConfigError` if a folder is missing or empty, no photo has a matte, or one has several.
    """

    def __init__(self, photo_folder: Path, matte_folder: Path) -> None:
        mattes = MatteFolder(matte_folder)
        photos = FolderSource(photo_folder).paths
        self.pairs = mattes.pairs(photos)
        if len(self.pairs) < len(photos):
            log.warning(
                "%d of %d photos have no matte in %s and are left out.",
                len(photos) - len(self.pairs),
                len(photos),
                matte_folder,
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def open(self, index: int) -> Image.Image:
        """Photo `index` with its matte; raises `ImageError` if they are of different sizes."""
        path, matte_path = self.pairs[index]
        photo, matte = open_image(path), open_matte(matte_path)
        check_size(matte_path, matte, photo.size)
        return Image.merge("RGBX", [*photo.split(), matte])
