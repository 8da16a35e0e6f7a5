"""Portraits for training: photos with the alpha mattes of their people as a fourth channel."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_image
from fastnst.trainer.photos import FolderSource


class PortraitSource:
    """The photos of a folder that have a matte of the same base name in another folder.

    A picture comes with mode RGBX whose fourth channel is the matte: unlike RGBA, it is resized without multiplying
    the colours by it.
    """

    def __init__(self, photos: FolderSource, mattes: Path) -> None:
        if not mattes.is_dir():
            raise ConfigError(f"the folder of mattes {mattes} does not exist.")
        by_name = {path.stem: path for path in sorted(mattes.iterdir()) if path.is_file()}
        self.pairs = [(path, by_name[path.stem]) for path in photos.paths if path.stem in by_name]
        if not self.pairs:
            raise ConfigError(f"no matte in {mattes} has the base name of a photo.")

    def __len__(self) -> int:
        return len(self.pairs)

    def open(self, index: int) -> Image.Image:
        """Photo `index` with its matte; raises `ImageError` if they are of different sizes."""
        path, matte_path = self.pairs[index]
        photo, matte = open_image(path), open_image(matte_path).convert("L")
        if photo.size != matte.size:
            raise ImageError(f"the matte {matte_path} is {matte.size}, its photo {photo.size}: they must be the same.")
        return Image.merge("RGBX", [*photo.split(), matte])
