"""Training photos that are decoded once and kept as bytes, in main memory or on the GPU, and the crops of them.

A GPU trains on more photos a second than a machine decodes. Kept photos need no worker processes and no copies to the
device: a step costs the host a few launches a crop.

Sample `i` shows the same window of the same photo as `photos.Crops` does, whatever keeps the photos: both draw it from
the same numbers (`SampleDraws`, `CropWindow`) and the photo's own size. Its pixels differ a little: the kept photo was
reduced once, by Lanczos, and is resized by PyTorch's antialiased bicubic filter, where `Crops` resizes the file's
pixels by Lanczos. On 50 photos of 288 pixels that is 0.9 levels of 255 on average, and 93 % of the contrast between
neighbours; the bilinear filter, no faster, would be 2 levels away and leave 80 %.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fastnst.errors import ImageError
from fastnst.hardware import available_bytes
from fastnst.images.resize import resize_short_side
from fastnst.runtime.engine.providers import usable_cores
from fastnst.trainer.photos import MAX_CROP_RATIO, CropWindow, PhotoSource, SampleDraws, SampleNumbers, no_usable_photo
from fastnst.trainer.progress import duration

log = logging.getLogger(__name__)

Place = Literal["device", "memory"]

_USABLE_SHARE = 0.6  # of the free memory; a training needs the rest
_BLOCK = 64  # photos in one allocation; the first ones tell the memory that all will need
_SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class KeptPhoto:
    """A photo as bytes.

    Attributes:
        pixels: uint8 `[channels, h, w]`, its short side no longer than the largest crop's photo.
        size: width and height of the photo itself, from which its crops are drawn.
    """

    pixels: Tensor
    size: tuple[int, int]


class KeptPhotos(Protocol):
    """Photos by number; None stands for one that cannot be read."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> KeptPhoto | None: ...


class KeptCrops:
    """Endless shuffled random crops of kept photos, the windows of `Crops`: sample i is a function of (seed, i) alone.

    Args:
        photos: all photos of a source, in its order.
        size: side of a crop in pixels.
        seed: decides the order and the windows.
        device: where crops are made. Photos kept elsewhere are copied there, one after another.
    """

    def __init__(self, photos: KeptPhotos, size: int, seed: int, device: torch.device) -> None:
        self.photos, self.size, self.device = photos, size, device
        self.draws = SampleDraws(len(photos), seed)
        self.skipped = 0  # times a photo was passed over because it could not be read or was too small

    def batch(self, numbers: Sequence[int]) -> Tensor:
        """The samples of these numbers, uint8 `[N, channels, size, size]` on the device.

        Nothing waits for the device. Raises `ImageError` if a sample has no photo that can be used.
        """
        drawn = [self._drawn(number) for number in numbers]
        return as_bytes(torch.stack([cut(self._on_device(photo.pixels), window) for photo, window in drawn]))

    def _drawn(self, number: int) -> tuple[KeptPhoto, CropWindow]:
        generator = self.draws.generator(number)
        for index in self.draws.candidates(number):
            photo = self.photos[index]
            if photo is not None:
                try:
                    return photo, CropWindow.draw(photo.size, self.size, generator)
                except ImageError as error:
                    log.debug("photo skipped: %s", error)
            self.skipped += 1
        raise no_usable_photo(self.size)

    def _on_device(self, pixels: Tensor) -> Tensor:
        """Bytes on the CPU, whose resize of bytes is the fastest; float32 elsewhere, where there is none."""
        if self.device.type == "cpu":
            return pixels
        if pixels.device.type == "cpu" and self.device.type == "cuda":
            pixels = pixels.pin_memory()  # or the copy would wait for the device
        return pixels.to(self.device, non_blocking=True).to(torch.float32, memory_format=torch.contiguous_format)


def cut(pixels: Tensor, window: CropWindow) -> Tensor:
    """A window of a photo `[channels, h, w]` in levels: `[channels, size, size]` of the same kind, not rounded."""
    width, height = window.scaled
    if pixels.shape[1:] != (height, width):
        pixels = F.interpolate(pixels[None], (height, width), mode="bicubic", antialias=True)[0]
    crop = pixels[:, window.top :, window.left :][:, : window.size, : window.size]
    return crop.flip(-1) if window.mirrored else crop


def as_bytes(levels: Tensor) -> Tensor:
    """Levels as uint8; floats are rounded, and what the filter made of edges is clamped to 0 … 255."""
    return levels if levels.dtype == torch.uint8 else levels.round().clamp_(0, 255).to(torch.uint8)


class KeptBatches:
    """Endless batches of crops, for a trainer: an iteration begins at the first number again."""

    def __init__(self, crops: KeptCrops, batch_size: int, numbers: SampleNumbers) -> None:
        self.crops, self.batch_size, self.numbers = crops, batch_size, numbers

    def __iter__(self) -> Iterator[Tensor]:
        numbers = iter(self.numbers)
        while True:
            yield self.crops.batch(list(islice(numbers, self.batch_size)))


class _ReadAnew:
    """The photos of a source, decoded whenever one is asked for."""

    def __init__(self, source: PhotoSource, size: int) -> None:
        self.source, self.size = source, size

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int, /) -> KeptPhoto | None:
        return _decoded(self.source, self.size, index)


def kept_crops(source: PhotoSource, size: int, seed: int, device: torch.device) -> KeptCrops:
    """The crops of a source whose photos are kept on the device.

    They are kept in main memory where the device has no room, and decoded anew for each crop where that has none
    either: slower each time, the same windows.
    """
    photos = keep_photos(source, size, "device", device)
    return KeptCrops(_ReadAnew(source, size) if photos is None else photos, size, seed, device)


def keep_photos(
    source: PhotoSource, size: int, place: Place, device: torch.device, processes: int = 1
) -> list[KeptPhoto | None] | None:
    """All photos of a source, decoded by as many threads as there are cores. None where there is no room for them.

    Args:
        source: its `open` is called by several threads.
        size: side in pixels of the crops that are wanted.
        place: where to keep the photos. What has no room on the device is kept in main memory.
        device: of the training.
        processes: that share this machine and keep photos too.
    """
    began = time.monotonic()
    # Shuffled, so that the first block speaks for all: folders are often sorted by where their photos came from.
    indices = np.random.default_rng(0).permutation(len(source)).tolist()
    kept: list[KeptPhoto | None] = [None] * len(source)
    with _decoding(source, size, indices, max(1, usable_cores() // processes)) as decoded:
        block = list(islice(decoded, _BLOCK))
        needed = len(source) * sum(photo.pixels.numel() for photo in block if photo) // max(1, len(block))
        found = _place_with_room(needed, place, device, processes)
        if found is None:
            return None
        done, reported = 0, began
        while block:
            numbers = indices[done : done + _BLOCK]
            for index, photo in zip(numbers, _in_one_allocation(block, found), strict=True):
                kept[index] = photo
            done += len(block)
            now = time.monotonic()
            if now - reported >= _SECONDS_BETWEEN_LINES and done < len(source):
                left = (now - began) / done * (len(source) - done)
                log.info("photos decoded: %d of %d, %s left", done, len(source), duration(left))
                reported = now
            block = list(islice(decoded, _BLOCK))
    _report(kept, found, time.monotonic() - began)
    return kept


def _report(kept: list[KeptPhoto | None], device: torch.device, seconds: float) -> None:
    photos = [photo for photo in kept if photo is not None]
    taken = sum(photo.pixels.numel() for photo in photos) / 1e6
    where = "in memory" if device.type == "cpu" else "on the device"
    log.info("%d photos decoded in %s and kept %s (%.0f MB).", len(photos), duration(seconds), where, taken)
    if len(photos) < len(kept):
        log.info("%d photo(s) cannot be read: others stand in for them.", len(kept) - len(photos))


@contextmanager
def _decoding(
    source: PhotoSource, size: int, indices: Iterable[int], threads: int
) -> Iterator[Iterator[KeptPhoto | None]]:
    """The photos of these numbers, in this order, decoded by threads that end when the context is left."""
    pool = ThreadPoolExecutor(threads, "photos")
    try:
        yield pool.map(partial(_decoded, source, size), indices)
    finally:
        pool.shutdown(cancel_futures=True)


def _decoded(source: PhotoSource, size: int, index: int) -> KeptPhoto | None:
    try:
        photo = source.open(index)
    except ImageError as error:
        log.debug("photo skipped: %s", error)
        return None
    original, largest = photo.size, round(MAX_CROP_RATIO * size)
    if min(original) > largest:
        photo = resize_short_side(photo, largest)
    # The channels of a pixel stay side by side: torch resizes such bytes the fastest.
    return KeptPhoto(torch.from_numpy(np.array(photo)).permute(2, 0, 1), original)


def _in_one_allocation(photos: list[KeptPhoto | None], device: torch.device) -> list[KeptPhoto | None]:
    """The photos as parts of one tensor on the device: allocations of their size waste up to a third of it."""
    flat = [photo.pixels.permute(1, 2, 0).reshape(-1) for photo in photos if photo]
    parts = iter(torch.cat(flat).to(device).split([len(one) for one in flat]) if flat else ())
    moved: list[KeptPhoto | None] = []
    for photo in photos:
        if photo is not None:
            channels, height, width = photo.pixels.shape
            photo = replace(photo, pixels=next(parts).view(height, width, channels).permute(2, 0, 1))
        moved.append(photo)
    return moved


def _place_with_room(needed: int, place: Place, device: torch.device, processes: int) -> torch.device | None:
    """The device or, if it has too little room, the CPU; None if neither has enough. Logs what is not as asked."""
    main_memory = torch.device("cpu")
    on_device = place == "device" and device.type != "cpu"
    if on_device and _has_room(needed, device, "on the GPU", "they are kept in main memory instead"):
        return device
    if _has_room(needed, main_memory, "in main memory", "they are decoded anew for each crop", processes):
        return main_memory
    return None


def _has_room(needed: int, device: torch.device, where: str, otherwise: str, processes: int = 1) -> bool:
    free = available_bytes(device)
    if free is None or needed * processes <= _USABLE_SHARE * free:
        return True
    log.warning(
        "the photos need about %.1f GB as bytes%s, and no more than %.0f %% of the %.1f GB that are free %s may be"
        " used for them: %s.",
        needed * processes / 1e9,
        f" ({processes} processes)" if processes > 1 else "",
        100 * _USABLE_SHARE,
        free / 1e9,
        where,
        otherwise,
    )
    return False
