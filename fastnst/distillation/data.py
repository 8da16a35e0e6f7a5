"""Pairs of a photo's crop and a painting's crop, as a LightningDataModule."""

from __future__ import annotations

import logging

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fastnst.errors import ConfigError, check_minima
from fastnst.input_files import expanded
from fastnst.trainer.photos import Crops, FolderSource, PhotoSource, SampleNumbers
from fastnst.training.data import CentreCrops, Part

log = logging.getLogger(__name__)

_PAINTING_SCALES = 4.0  # paintings are seen whole and in details, as users choose them
_HELD_OUT_SHARE = 0.1


class Pairs(Dataset[Tensor]):
    """Two data sets side by side: uint8 `[2, 3, S, S]`."""

    def __init__(self, photos: Dataset[Tensor], paintings: Dataset[Tensor], length: int | None = None) -> None:
        self.photos, self.paintings, self.length = photos, paintings, length

    def __len__(self) -> int:
        assert self.length is not None
        return self.length

    def __getitem__(self, index: int) -> Tensor:
        return torch.stack([self.photos[index], self.paintings[index]])


class PairData(pl.LightningDataModule):
    """Photos and paintings for a distillation, uint8 batches `[N, 2, 3, S, S]`.

    Args:
        photos: a folder of photos, searched recursively.
        paintings: a folder of paintings, searched recursively.
        image_size: side of a crop in pixels.
        batch_size: pairs a step.
        val_limit: most held-out pairs; a tenth of the photos and of the paintings is held out.
        workers: processes that decode pictures.
        seed: decides the order, the crops and what is held out.
    """

    def __init__(
        self,
        photos: str = "photos",
        paintings: str = "paintings",
        image_size: int = 192,
        batch_size: int = 4,
        val_limit: int = 8,
        workers: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if image_size < 64:
            raise ConfigError(f"image_size must be at least 64, not {image_size}.")
        check_minima(
            {"batch_size": (batch_size, 1), "workers": (workers, 0), "val_limit": (val_limit, 1), "seed": (seed, 0)}
        )
        self.photos, self.paintings = photos, paintings
        self.image_size, self.batch_size, self.val_limit = image_size, batch_size, val_limit
        self.workers, self.seed = workers, seed
        self._train: Pairs | None = None

    def setup(self, stage: str) -> None:
        """Find the pictures; raises `ConfigError` if there are too few."""
        if self._train is not None:
            return
        photos, held_photos = self._split(self.photos, "photos")
        paintings, held_paintings = self._split(self.paintings, "paintings")
        size = self.image_size
        self._train = Pairs(Crops(photos, size, self.seed), Crops(paintings, size, self.seed + 1, _PAINTING_SCALES))
        first, second = (CentreCrops(source, size, self.val_limit) for source in (held_photos, held_paintings))
        self._held_out = Pairs(first, second, min(len(first), len(second)))
        log.info("%d photos and %d paintings; %d pairs held out.", len(photos), len(paintings), len(self._held_out))

    def _split(self, folder: str, kind: str) -> tuple[PhotoSource, PhotoSource]:
        source = FolderSource(expanded(folder))
        if len(source) < 4:
            raise ConfigError(f"{folder} holds {len(source)} {kind}: a distillation needs at least 4.")
        held = max(2, round(_HELD_OUT_SHARE * len(source)))
        order = torch.randperm(len(source), generator=torch.Generator().manual_seed(self.seed)).tolist()
        return Part(source, order[held:]), Part(source, order[:held])

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Batches from the trainer's current step on."""
        assert self._train is not None
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        start = trainer.global_step * self.batch_size * world_size if trainer is not None else 0
        return DataLoader(
            self._train,
            self.batch_size,
            sampler=SampleNumbers(start, rank, world_size),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            drop_last=True,
        )

    def val_dataloader(self) -> DataLoader[Tensor]:
        """The held-out pairs."""
        return DataLoader(self._held_out, self.batch_size)
