"""Training photos and their crops: folders, parquet files, the hub.

Sample number `i` of a run is the same crop whatever the workers, the ranks or an interruption did before: its photo and
its window are drawn from a generator seeded with (seed, i). That is what makes resuming exact.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fastnst.errors import ConfigError, ImageError
from fastnst.hub.client import hub_endpoint
from fastnst.images.decode import open_image
from fastnst.images.folders import find_images
from fastnst.images.resize import resized, short_side_size
from fastnst.input_files import expanded
from fastnst.trainer.photo_tables import (
    TableSource,
    hub_table,
    is_saved_dataset,
    parquet_files,
    parquet_source,
    saved_source,
)

log = logging.getLogger(__name__)

MAX_CROP_RATIO = 1.5  # a crop's photo is scaled to between 1 and 1.5 crops at its short side
_MAX_UNREADABLE_IN_A_ROW = 50  # unreadable photos in a row after which the folder is to blame, not the photos


class PhotoSource(Protocol):
    """Photos by number."""

    def __len__(self) -> int: ...

    def open(self, index: int) -> Image.Image:
        """RGB photo `index`; raises `ImageError` if it cannot be read."""
        ...


class FolderSource:
    """All pictures below a folder."""

    def __init__(self, folder: Path) -> None:
        self.paths = find_images([folder])
        if not self.paths:
            raise ConfigError(f"no photos found in {folder}: give a folder with JPEG, PNG, WebP or TIFF files.")

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image.Image:
        return open_image(self.paths[index])


def open_source(location: str, split: str = "train", column: str | None = None) -> PhotoSource:
    """The photos at a place: a folder of pictures or of parquet files, a `save_to_disk` folder, one file, or the hub.

    Args:
        location: a path, or the name of a Hugging Face dataset.
        split: of a dataset with several.
        column: of a table's pictures; None finds it (see `photo_tables.undecoded`).

    Raises `ConfigError` if there are none.
    """
    hub_endpoint()  # datasets reads it when it is imported
    path = expanded(location)
    if os.path.isdir(path):
        if is_saved_dataset(path):
            return saved_source(path, split, column)
        tables = parquet_files(path)
        return parquet_source(tables, column) if tables else FolderSource(path)
    if os.path.isfile(path):
        if path.suffix != ".parquet":
            raise ConfigError(f"{path} is a file: give --photos a folder, a .parquet file or a hub dataset.")
        return parquet_source([path], column)
    if location.startswith((".", "/", "~")) or location.count("/") != 1:
        raise ConfigError(f"the photos folder {location} does not exist.")
    return TableSource(*hub_table(location, split, column, streaming=False))


@dataclass(frozen=True)
class CropWindow:
    """The square that a crop shows of its photo. It is drawn from numbers alone: any copy of the photo serves.

    Attributes:
        scaled: width and height in pixels to which the photo is resized.
        left, top: the square's corner in the resized photo.
        size: its side.
        mirrored: whether left and right change places.
    """

    scaled: tuple[int, int]
    left: int
    top: int
    size: int
    mirrored: bool

    @classmethod
    def draw(
        cls, photo_size: tuple[int, int], size: int, generator: np.random.Generator, largest: float = MAX_CROP_RATIO
    ) -> CropWindow:
        """A window of a photo of this width and height.

        The photo is scaled to a short side between `size` and `largest` × `size` first, so that a crop shows a scene
        and not a few pixels of it; a photo that is smaller than the crop is enlarged. Raises `ImageError`, and draws
        nothing, below half the size.
        """
        width, height = photo_size
        short = min(photo_size)
        if short < size // 2:
            raise ImageError(f"a photo of {width}×{height} pixels is too small for crops of {size}.")
        scaled = short_side_size(photo_size, round(size * generator.uniform(1.0, max(1.0, min(largest, short / size)))))
        left = int(generator.integers(scaled[0] - size + 1))
        top = int(generator.integers(scaled[1] - size + 1))
        return cls(scaled, left, top, size, bool(generator.random() < 0.5))


def random_crop(
    photo: Image.Image, size: int, generator: np.random.Generator, largest: float = MAX_CROP_RATIO
) -> Tensor:
    """A square crop, mirrored half of the time: uint8 `[3, size, size]`; see `CropWindow.draw`, also for its error."""
    window = CropWindow.draw(photo.size, size, generator, largest)
    photo = resized(photo, window.scaled)
    pixels = np.asarray(photo.crop((window.left, window.top, window.left + size, window.top + size)))
    if window.mirrored:
        pixels = pixels[:, ::-1]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


class SampleDraws:
    """What a sample's number decides, as a function of (seed, number) alone.

    Args:
        photos: how many there are.
        seed: of the run.
    """

    def __init__(self, photos: int, seed: int) -> None:
        self.photos, self.seed = photos, seed
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def generator(self, number: int) -> np.random.Generator:
        """The generator from which a sample's window is drawn."""
        return np.random.default_rng((self.seed, 1, number))

    def photo(self, number: int) -> int:
        """The photo of a sample: every photo once before any comes again, in a new order each time."""
        epoch, position = divmod(number, self.photos)
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(self.photos))
        return int(self._order[1][position])

    def candidates(self, number: int) -> Iterator[int]:
        """A sample's photo, then those that stand in for it if it cannot be used: the next ones of the order."""
        return (self.photo(number + attempt) for attempt in range(_MAX_UNREADABLE_IN_A_ROW))


def no_usable_photo(size: int) -> ImageError:
    """The error where none of a sample's candidates can be used for crops of this size."""
    return ImageError(
        f"{_MAX_UNREADABLE_IN_A_ROW} photos in a row cannot be read or are smaller than {size // 2} pixels."
    )


class Crops(Dataset[Tensor]):
    """Endless shuffled random crops of a source: sample i is a function of (seed, i) alone.

    An unreadable photo is replaced by the next one in the shuffled order, and counted in `skipped`.
    """

    def __init__(self, source: PhotoSource, size: int, seed: int, largest: float = MAX_CROP_RATIO) -> None:
        self.source, self.size, self.largest = source, size, largest
        self.draws = SampleDraws(len(source), seed)
        self._skipped = torch.zeros(1, dtype=torch.int64).share_memory_()  # workers add to it

    @property
    def skipped(self) -> int:
        """Number of times a photo was passed over because it could not be read or was too small."""
        return int(self._skipped)

    def __getitem__(self, number: int) -> Tensor:
        generator = self.draws.generator(number)
        for index in self.draws.candidates(number):
            try:
                return random_crop(self.source.open(index), self.size, generator, self.largest)
            except ImageError as error:
                self._skipped += 1
                log.debug("photo skipped: %s", error)
        raise no_usable_photo(self.size)


class SampleNumbers(Sampler[int]):
    """Endless sample numbers from `start` on, every `world_size`-th of them for this rank."""

    def __init__(self, start: int, rank: int = 0, world_size: int = 1) -> None:
        self.start, self.rank, self.world_size = start, rank, world_size

    def __iter__(self) -> Iterator[int]:
        number = self.start + self.rank
        while True:
            yield number
            number += self.world_size
