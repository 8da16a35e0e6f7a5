"""Portraits for training and held-out portraits, as a LightningDataModule."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fastnst.errors import ConfigError, ImageError, check_minima
from fastnst.images.folders import find_images
from fastnst.input_files import expanded
from fastnst.matting.crops import centred_square
from fastnst.matting.network import STRIDE
from fastnst.matting.pairs import PortraitPairs
from fastnst.matting.samples import make_sample
from fastnst.trainer.photos import SampleNumbers

log = logging.getLogger(__name__)

_MAX_UNREADABLE_IN_A_ROW = 20  # unreadable pairs in a row after which the folder is to blame


class Samples(Dataset[Tensor]):
    """Endless shuffled samples, uint8 `[4, S, S]` (RGB and alpha): sample i is a function of (seed, i) alone."""

    def __init__(self, pairs: PortraitPairs, backgrounds: list[Path], size: int, seed: int) -> None:
        self.pairs, self.backgrounds, self.size, self.seed = pairs, backgrounds, size, seed
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def __getitem__(self, number: int) -> Tensor:
        generator = np.random.default_rng((self.seed, 1, number))
        reason = ""
        for attempt in range(_MAX_UNREADABLE_IN_A_ROW):
            try:
                sample = make_sample(self.pairs, self.backgrounds, self._pair(number + attempt), self.size, generator)
                return torch.from_numpy(sample)
            except ImageError as error:
                reason = str(error)
                log.debug("portrait skipped: %s", error)
        raise ImageError(f"{_MAX_UNREADABLE_IN_A_ROW} portraits in a row cannot be used; the last: {reason}")

    def _pair(self, number: int) -> int:
        """Every pair once before any comes again, in a new order each time."""
        epoch, position = divmod(number, len(self.pairs))
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.pairs)))
        return int(self._order[1][position])


class HeldOut(Dataset[Tensor]):
    """Fixed squares of held-out pairs: the whole picture's largest square around the person, and the upper body."""

    def __init__(self, pairs: PortraitPairs, size: int, limit: int) -> None:
        self.samples = []
        for index in np.unique(np.linspace(0, len(pairs) - 1, min(limit, len(pairs))).round().astype(int)):
            try:
                image, matte = pairs.open(int(index))
            except ImageError as error:
                log.debug("held-out portrait skipped: %s", error)
                continue
            for upper in (False, True):
                box = centred_square(np.asarray(matte), upper=upper)
                image_, matte_ = (
                    each.resize((size, size), Image.Resampling.BILINEAR, box=box) for each in (image, matte)
                )
                pixels = np.concatenate((np.asarray(image_), np.asarray(matte_)[..., None]), axis=2)
                self.samples.append(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())
        if not self.samples:
            raise ConfigError("none of the held-out portraits can be used.")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        return self.samples[index]


class PortraitData(pl.LightningDataModule):
    """Samples made from pairs of photo and matte; uint8 `[N, 4, S, S]` until the device.

    Args:
        portraits: a folder with image/ and matte/, files of the same base name in both.
        val_portraits: held-out pairs in the same form.
        backgrounds: a folder of other photos to put people before; None leaves them where they are.
        image_size: side of a sample in pixels, a multiple of 32; also the short side at which the network will work.
        batch_size: samples a step.
        val_limit: most held-out pairs to use.
        workers: processes that make samples.
        seed: decides the order and the samples.
    """

    def __init__(
        self,
        portraits: str,
        val_portraits: str,
        backgrounds: str | None = None,
        image_size: int = 256,
        batch_size: int = 16,
        val_limit: int = 48,
        workers: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if image_size < 2 * STRIDE or image_size % STRIDE:
            raise ConfigError(f"image_size must be a multiple of {STRIDE} and at least {2 * STRIDE}, not {image_size}.")
        check_minima(
            {"batch_size": (batch_size, 2), "workers": (workers, 0), "val_limit": (val_limit, 1), "seed": (seed, 0)}
        )
        self.portraits, self.val_portraits, self.backgrounds = portraits, val_portraits, backgrounds
        self.image_size, self.batch_size, self.val_limit = image_size, batch_size, val_limit
        self.workers, self.seed = workers, seed
        self.description = ""
        self._samples: Samples | None = None

    def setup(self, stage: str) -> None:
        """Find the pairs; raises `ConfigError` if there are none, or none that can be used."""
        if self._samples is not None:
            return
        behind = self._find_backgrounds()
        pairs = PortraitPairs(expanded(self.portraits))
        self.val_dataset = HeldOut(PortraitPairs(expanded(self.val_portraits)), self.image_size, self.val_limit)
        samples = Samples(pairs, behind, self.image_size, self.seed)
        try:
            _ = samples[0]
        except ImageError as error:
            raise ConfigError(f"nothing can be learned from {self.portraits}: {error}") from error
        self._samples = samples
        before = f" before other backgrounds ({len(behind):,})" if behind else ""
        self.description = f"{len(pairs):,} portraits{before}"
        log.info("%d portraits, %d backgrounds, %d held-out views.", len(pairs), len(behind), len(self.val_dataset))

    def _find_backgrounds(self) -> list[Path]:
        if self.backgrounds is None:
            return []
        folder = expanded(self.backgrounds)
        if not os.path.isdir(folder):
            raise ConfigError(f"the folder of backgrounds {folder} does not exist.")
        found = find_images([folder])
        if not found:
            raise ConfigError(f"no photos found in {folder} to put people before.")
        return found

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Batches from the trainer's current step on: after a resume, exactly those that were still to come."""
        assert self._samples is not None
        trainer = self.trainer
        start, rank, world_size = 0, 0, 1
        if trainer is not None:
            rank, world_size = trainer.global_rank, trainer.world_size
            start = trainer.global_step * trainer.accumulate_grad_batches * self.batch_size * world_size
        return DataLoader(
            self._samples,
            self.batch_size,
            sampler=SampleNumbers(start, rank, world_size),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader[Tensor]:
        """The held-out views, the same ones in the same order each time."""
        return DataLoader(self.val_dataset, self.batch_size)
