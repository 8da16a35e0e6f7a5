"""Photos for training and held-out photos for validation, as a LightningDataModule."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from fastnst.errors import ConfigError, ImageError, check_minima
from fastnst.images.resize import resize_short_side
from fastnst.input_files import expanded
from fastnst.sample import SAMPLE_PHOTOS, sample_photo, sample_photos
from fastnst.trainer.kept_photos import KeptBatches, KeptCrops, Place, keep_photos
from fastnst.trainer.photo_tables import TableSource
from fastnst.trainer.photos import Crops, FolderSource, PhotoSource, SampleNumbers, open_source
from fastnst.trainer.streams import StreamedCrops, StreamLoader, open_stream, shards_at
from fastnst.training.portraits import PortraitSource

log = logging.getLogger(__name__)

_CACHES = ("none", "memory", "device")

_HELD_OUT_SHARE = 0.05
_MAX_HELD_OUT = 32
_STREAMED_HELD_OUT = 32


class CentreCrops(Dataset[Tensor]):
    """The largest centred square of each photo at a fixed size: uint8 `[channels, size, size]`, always the same."""

    def __init__(self, source: PhotoSource, size: int, limit: int) -> None:
        self.photos: list[Tensor] = []
        for index in range(len(source)):
            if len(self.photos) == limit:
                break
            try:
                self.photos.append(_centre_crop(source, index, size))
            except ImageError as error:
                log.debug("held-out photo skipped: %s", error)
        if not self.photos:
            raise ConfigError("none of the held-out photos can be read.")

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Tensor:
        return self.photos[index]


def _centre_crop(source: PhotoSource, index: int, size: int) -> Tensor:
    photo = resize_short_side(source.open(index), size)
    left, top = (photo.width - size) // 2, (photo.height - size) // 2
    return torch.from_numpy(np.array(photo.crop((left, top, left + size, top + size)))).permute(2, 0, 1)


class Part:
    """Some photos of a source."""

    def __init__(self, source: PhotoSource, indices: list[int]) -> None:
        self.source, self.indices = source, indices

    def __len__(self) -> int:
        return len(self.indices)

    def open(self, index: int) -> Any:
        return self.source.open(self.indices[index])


class PhotoData(pl.LightningDataModule):
    """Training photos as shuffled random crops, held-out photos as fixed ones; uint8 `[N, 3, S, S]`.

    Args:
        photos: a folder of pictures (searched recursively), a .parquet file or a folder of them, a folder that
            `datasets` saved (`save_to_disk`), or the name of a Hugging Face dataset.
        mattes: a folder of the photos' alpha mattes, for portraits: crops get a fourth channel. The matte of NAME.jpg
            is NAME.png or NAME_alpha.png, as `fastnst matte` writes it, or a cut-out.
        val_photos: held-out photos, in the same forms; None holds out a twentieth of `photos`, at most 32, or
            takes `sample_photo` if those are the ones that ship.
        val_mattes: the mattes of `val_photos`.
        image_size: side of a crop in pixels, a multiple of 4.
        batch_size: crops a step (a rank).
        streaming: read a dataset (of the hub, or parquet files) while training; WebDataset shards always are.
        split: the split of a dataset that has several.
        image_column: the column of a dataset's pictures; None finds it by its name or type.
        val_limit: most held-out photos to use.
        workers: processes that decode photos; a cache needs none.
        seed: decides the order and the crops.
        cache: `none` decodes a photo for each crop. `memory` and `device` decode every photo once, before the first
            step, and keep its bytes there, no larger than a crop can need; what has no room is kept in the next slower
            way, and the log says so. Samples show the same windows whatever the cache, so that a run may go on with
            another one; their pixels come from another filter (see `trainer.kept_photos`). Streams cannot be kept. The
            sample photos, which are few, are kept in memory all the same.
    """

    def __init__(
        self,
        photos: str = "detection-datasets/coco",
        val_photos: str | None = None,
        mattes: str | None = None,
        val_mattes: str | None = None,
        image_size: int = 256,
        batch_size: int = 4,
        streaming: bool = False,
        split: str = "train",
        image_column: str | None = None,
        val_limit: int = 16,
        workers: int = 1,
        seed: int = 0,
        cache: str = "none",
    ) -> None:
        super().__init__()
        if image_size < 64 or image_size % 4:
            raise ConfigError(f"image_size must be a multiple of 4 and at least 64, not {image_size}.")
        check_minima(
            {
                "batch_size": (batch_size, 1),
                "workers": (workers, 0),
                "val_limit": (val_limit, 1),
                "seed": (seed, 0),
            }
        )
        if (mattes is None) != (val_mattes is None) and val_photos is not None:
            raise ConfigError("held-out portraits need both data.val_photos and data.val_mattes.")
        if mattes is not None and streaming:
            raise ConfigError("portraits with mattes are read from folders: they cannot be streamed.")
        if cache not in _CACHES:
            raise ConfigError(f"cache must be one of {', '.join(_CACHES)}, not {cache}.")
        if streaming and cache != "none":
            raise ConfigError(f"photos that are streamed cannot be kept: leave out data.streaming or cache: {cache}.")
        self.photos = str(sample_photos()) if photos == SAMPLE_PHOTOS else photos
        self.val_photos = val_photos
        self.mattes, self.val_mattes = mattes, val_mattes
        self.image_size, self.batch_size = image_size, batch_size
        self.streaming, self.split, self.val_limit = streaming, split, val_limit
        self.image_column = image_column
        self.workers, self.seed = workers, seed
        self.description = ""
        self.cache = "memory" if (photos, cache) == (SAMPLE_PHOTOS, "none") else cache
        self._crops: Crops | KeptCrops | StreamedCrops | None = None
        self._table: Any = None
        self._loader: StreamLoader | None = None
        self._begun = 0  # batches that earlier runs have used
        self._earlier: dict[str, Any] | None = None  # the streams' states in the checkpoint that is gone on with
        self._column = ""

    @property
    def skipped(self) -> int:
        """Photos passed over so far because they could not be read or were too small."""
        return self._crops.skipped if self._crops is not None else 0

    def setup(self, stage: str) -> None:
        """Find the photos; raises `ConfigError` if there are none."""
        if self._crops is not None or self._table is not None:
            return
        held_out: PhotoSource | None = None
        if self.val_photos:
            held_out = self._source(self.val_photos, self.split, self.val_mattes)
        elif self.mattes is None and self.photos == str(sample_photos()):
            held_out = FolderSource(sample_photo())  # that the picture at the end is of a photo not learned from
        if self.streaming or (self.mattes is None and shards_at(self.photos)):
            self._setup_stream(held_out)
            return
        source = self._source(self.photos, self.split, self.mattes)
        if held_out is None:
            source, held_out = self._hold_out(source)
        self.val_dataset = CentreCrops(held_out, self.image_size, self.val_limit)
        self._crops = Crops(source, self.image_size, self.seed)
        self._describe(f"{len(source):,} photos")
        log.info("%d training photos, %d held out.", len(source), len(self.val_dataset))

    def train_dataloader(self) -> DataLoader[Tensor] | KeptBatches | StreamLoader:
        """Batches from the trainer's current step on: after a resume, exactly those that were still to come."""
        trainer = self.trainer
        start, rank, world_size = 0, 0, 1
        if trainer is not None:
            rank, world_size = trainer.global_rank, trainer.world_size
            start = trainer.global_step * trainer.accumulate_grad_batches * self.batch_size * world_size
        if self._table is not None:
            return self._stream(rank, world_size)
        numbers = SampleNumbers(start, rank, world_size)
        if self.cache != "none" and isinstance(self._crops, Crops):
            self._crops = self._kept(self._crops)
        if isinstance(self._crops, KeptCrops):
            return KeptBatches(self._crops, self.batch_size, numbers)
        assert isinstance(self._crops, Crops)
        return DataLoader(
            self._crops,
            self.batch_size,
            sampler=numbers,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            drop_last=True,
        )

    def _kept(self, crops: Crops) -> Crops | KeptCrops:
        """The crops of photos that are kept, or the same crops if there is no room for them."""
        trainer = self.trainer
        device = trainer.strategy.root_device if trainer is not None else torch.device("cpu")
        processes = trainer.num_devices if trainer is not None else 1  # on this machine
        place: Place = "device" if self.cache == "device" else "memory"
        photos = keep_photos(crops.source, self.image_size, place, device, processes)
        return crops if photos is None else KeptCrops(photos, self.image_size, self.seed, device)

    def _stream(self, rank: int, world_size: int) -> StreamLoader:
        """This rank's stream, where a checkpoint left it."""
        assert self._table is not None
        crops = StreamedCrops(self._table, self._column, self.image_size, self.seed, rank, world_size)
        self._crops = crops
        state = None
        if self._earlier is not None:
            before = len(self._earlier["streams"]), self._earlier["workers"]
            if before != (world_size, self.workers):
                raise ConfigError(
                    f"the checkpoint's stream was divided among {before[0]} processes with {before[1]} workers each,"
                    f" not {world_size} with {self.workers}: go on as it was begun (--trainer.devices, --data.workers)."
                )
            state = self._earlier["streams"][rank]
        trainer = self.trainer
        self._begun = trainer.global_step * trainer.accumulate_grad_batches if trainer is not None else 0
        self._loader = StreamLoader(crops, self.batch_size, self.workers, state)
        return self._loader

    def state_dict(self) -> dict[str, Any]:
        """The positions of all ranks' streams; photos by number need no state. All ranks must call it."""
        trainer = self.trainer
        if self._loader is None or trainer is None:
            return {}
        own = self._loader.state_after(trainer.global_step * trainer.accumulate_grad_batches - self._begun)
        states: list[Any] = [own]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, own)
        return {"streams": states, "workers": self.workers}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember where the streams were, for `train_dataloader`."""
        self._earlier = state_dict if "streams" in state_dict else None

    def val_dataloader(self) -> DataLoader[Tensor]:
        """The held-out photos, the same ones in the same order each time; every rank measures its share."""
        dataset: Dataset[Tensor] = self.val_dataset
        # With fewer photos than ranks each rank measures all of them: the mean stays the same.
        if self.trainer is not None and 1 < self.trainer.world_size <= len(self.val_dataset):
            indices = range(self.trainer.global_rank, len(self.val_dataset), self.trainer.world_size)
            dataset = Subset(dataset, list(indices))
        return DataLoader(dataset, self.batch_size)

    def _source(self, location: str, split: str, mattes: str | None) -> PhotoSource:
        if mattes is not None:
            return PortraitSource(expanded(location), expanded(mattes))
        return open_source(location, split, self.image_column)

    def _hold_out(self, source: PhotoSource) -> tuple[PhotoSource, PhotoSource]:
        count = min(_MAX_HELD_OUT, max(1, round(len(source) * _HELD_OUT_SHARE)))
        if len(source) <= count:
            raise ConfigError(f"{self.photos} holds {len(source)} photo(s): training needs at least two.")
        order = np.random.default_rng((self.seed, 2)).permutation(len(source)).tolist()
        return Part(source, order[count:]), Part(source, order[:count])

    def _setup_stream(self, held_out: PhotoSource | None) -> None:
        if self.cache != "none":
            raise ConfigError(f"{self.photos} is streamed and cannot be kept: leave out cache: {self.cache}.")
        table, column = open_stream(self.photos, self.split, self.image_column)
        if held_out is None:
            held_out = TableSource(list(table.take(_STREAMED_HELD_OUT)), column)
            table = table.skip(_STREAMED_HELD_OUT)
        self.val_dataset = CentreCrops(held_out, self.image_size, self.val_limit)
        self._table, self._column = table, column
        self._describe("photos")

    def _describe(self, photos: str) -> None:
        """Say what is learned from; what a folder is called is nobody's business."""
        if self.photos == str(sample_photos()):
            photos = f"{photos} that ship with fastnst"
        elif not os.path.exists(expanded(self.photos)) and not shards_at(self.photos):
            photos = f"{photos} of {self.photos}"
        self.description = photos
