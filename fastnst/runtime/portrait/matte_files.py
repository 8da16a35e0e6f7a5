"""Matte files: which one belongs to a photo, how it is read, and how a matte is put on a picture.

One rule for all commands and trainings. The matte of `NAME.jpg` is called `NAME.png` or, as `fastnst matte` writes it,
`NAME_alpha.png` (any picture suffix); without these a cut-out, `NAME_cutout.png`. It is a grey picture, white where
people are, or a cut-out, whose alpha channel is the matte.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_picture
from fastnst.images.folders import find_images
from fastnst.images.picture import Picture

_MAX_CHROMA = 8  # levels between channels that JPEG gives a grey picture
_MAX_ROUNDING = 1.0  # pixels by which a resized photo's side may miss the matte's aspect


class MatteFolder:
    """The mattes below a folder, by the names of their photos.

    Args:
        folder: searched recursively. What lies in a subfolder belongs to photos in a folder of the same name.

    Raises `ConfigError` if the folder is missing or holds no picture.
    """

    def __init__(self, folder: Path) -> None:
        if not os.path.isdir(folder):
            raise ConfigError(f"the folder of mattes {folder} does not exist.")
        self.folder = folder
        self._by_stem: dict[str, list[Path]] = {}
        for path in find_images([folder]):
            self._by_stem.setdefault(path.stem, []).append(path)
        if not self._by_stem:
            raise ConfigError(f"the folder {folder} holds no mattes: fastnst matte PHOTOS -o {folder} makes them.")

    def find(self, photo: Path) -> Path | None:
        """The matte of a photo, or None. Raises `ConfigError` if several have its name.

        Only the photo's path counts, so that it need not exist.
        """
        for stems in _matte_stems(photo):
            found = [path for stem in stems for path in self._by_stem.get(stem, []) if self._fits(path, photo)]
            nearest = max((len(path.parts) for path in found), default=0)
            found = [path for path in found if len(path.parts) == nearest]
            if len(found) > 1:
                names = " and ".join(str(path) for path in found[:2])
                raise ConfigError(f"the photo {photo} has {len(found)} mattes, {names}: keep one of them.")
            if found:
                return found[0]
        return None

    def pairs(self, photos: Iterable[Path]) -> list[tuple[Path, Path]]:
        """Those of the photos that have a matte, each with it, in their order.

        Raises `ConfigError` if there is none, if a photo has several, or if several photos have one and the same.
        """
        photo_of: dict[Path, Path] = {}
        for photo in photos:
            matte = self.find(photo)
            if matte is None:
                continue
            if matte in photo_of:
                raise ConfigError(f"{photo_of[matte]} and {photo} have one matte, {matte}: rename one of the photos.")
            photo_of[matte] = photo
        if not photo_of:
            raise ConfigError(
                f"no matte in {self.folder} has a photo's name: the matte of NAME.jpg is NAME.png or NAME_alpha.png."
            )
        return [(photo, matte) for matte, photo in photo_of.items()]

    def _fits(self, matte: Path, photo: Path) -> bool:
        """True if the photo's folders end in those of the matte."""
        inside = matte.parent.relative_to(self.folder).parts
        return not inside or photo.parent.parts[-len(inside) :] == inside


def _matte_stems(photo: Path) -> tuple[tuple[str, ...], ...]:
    """The names that a photo's matte may have, those that go first in groups of their own."""
    # Of a.jpg and a.png in one folder, the second's results are called a_png_….
    whole_name = photo.name.replace(".", "_")
    return (
        (f"{whole_name}_alpha",),
        (photo.stem, f"{photo.stem}_alpha"),
        (f"{whole_name}_cutout",),
        (f"{photo.stem}_cutout",),
    )


def open_matte(path: Path, max_size: int | None = None) -> Image.Image:
    """A matte file as mode L, 255 where people are: a grey picture, or the alpha channel of a cut-out.

    `max_size` reduces it to this long side in pixels. Raises `ImageError` for what cannot be read, and for a colour
    picture without transparency.
    """
    picture = open_picture(path, max_size=max_size)
    if picture.alpha is not None:
        return picture.alpha
    red, *others = picture.rgb.split()
    for other in others:
        _, chroma = ImageChops.difference(red, other).getextrema()
        if isinstance(chroma, tuple) or chroma > _MAX_CHROMA:
            raise ImageError(f"{path} is a colour picture, not a matte: white where people are, black elsewhere.")
    return picture.rgb.convert("L")


def read_matte(path: Path, size: tuple[int, int], max_size: int | None = None) -> FloatPlane:
    """A matte file as float32 `[H, W]` in [0, 1], 1 where people are.

    Args:
        path: as for `open_matte`.
        size: width and height of the photo.
        max_size: what the photo was reduced to; the matte is, too.

    Raises `ImageError` for no matte, and for one of another size than the photo.
    """
    matte = open_matte(path, max_size)
    check_size(path, matte, size)
    return np.asarray(matte, np.float32) / np.float32(255)


def check_size(path: Path, matte: Image.Image, size: tuple[int, int]) -> None:
    """Raise `ImageError` if the matte read from `path` has another width and height than its photo."""
    if matte.size != size:
        raise ImageError(
            f"the matte {path} has {matte.width}×{matte.height} pixels, its photo {size[0]}×{size[1]}: they must agree."
        )


def fit_matte(path: Path, size: tuple[int, int]) -> FloatPlane:
    """A matte file at the size (width, height) to which its photo was resized, float32 `[H, W]` in [0, 1].

    Raises `ImageError` for no matte, and for one of another aspect than the photo.
    """
    matte = open_matte(path)
    scale = size[0] / matte.width
    # Rounding of the width, too, can cost the height a pixel's share.
    if abs(matte.height * scale - size[1]) > _MAX_ROUNDING * max(1, size[1] / size[0]):
        raise ImageError(
            f"the matte {path} has {matte.width}×{matte.height} pixels, its photo's aspect is {size[0]}:{size[1]}: they"
            " must agree."
        )
    return np.asarray(matte.resize(size, Image.Resampling.LANCZOS), np.float32) / np.float32(255)


def with_layers(photo: Picture, composed: UInt8Image) -> Picture:
    """The photo with composed pixels `[H, W, 3 or 4]`; where either is transparent the result is."""
    finished = photo.with_pixels(Image.fromarray(np.ascontiguousarray(composed[..., :3])))
    if composed.shape[2] == 3:
        return finished
    alpha = Image.fromarray(np.ascontiguousarray(composed[..., 3]))
    return replace(finished, alpha=ImageChops.multiply(alpha, finished.alpha) if finished.alpha else alpha)
