"""Photos that are read while training: datasets of the hub, parquet files, WebDataset shards.

Every row is read and decoded by one worker of one rank. Rows are shuffled within blocks, so that a stream's state is
small and exact: where its block begins in the dataset's own state, and how far the block was used. A resumed run reads
no more again than the blocks that it was in.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from fastnst.errors import ConfigError, ImageError
from fastnst.hub.client import hub_endpoint
from fastnst.images.folders import files_below
from fastnst.input_files import expanded
from fastnst.trainer.photo_tables import hub_table, open_cell, undecoded
from fastnst.trainer.photos import random_crop

_SHUFFLED_ROWS = 500  # rows that are shuffled together; their encoded pictures wait in the memory of a worker
_MAX_KEPT_STATES = 8  # batches; Lightning fetches one or two ahead of the step


def shards_at(location: str) -> list[Path]:
    """The WebDataset shards (.tar) at or below a path; an empty list if there are none."""
    path = expanded(location)
    if os.path.isfile(path):
        return [path] if path.suffix == ".tar" else []
    return [file for file in files_below(path) if file.suffix == ".tar"] if os.path.isdir(path) else []


def open_stream(location: str, split: str, column: str | None) -> tuple[Any, str]:
    """Photos to read one after another, not decoded, and their column.

    Args:
        location: WebDataset shards, parquet files, or the name of a dataset on the hub.
        split: of a dataset with several.
        column: of the pictures; None finds it.

    Raises `ConfigError` if there are none.
    """
    hub_endpoint()  # datasets reads it when it is imported
    from datasets import load_dataset

    path = expanded(location)
    shards = shards_at(location)
    tables = [path] if path.suffix == ".parquet" else []
    if os.path.isdir(path) and not shards:
        tables = [file for file in files_below(path) if file.suffix == ".parquet"]
        if not tables:
            raise ConfigError(f"{path} holds neither .tar nor .parquet files: leave out --data.streaming for pictures.")
    if not (shards or tables):
        return hub_table(location, split, column, streaming=True)
    kind, files = ("webdataset", shards) if shards else ("parquet", tables)
    try:
        table = load_dataset(kind, data_files=[str(file) for file in files], split="train", streaming=True)
    except Exception as error:  # of pyarrow, tarfile and datasets
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ConfigError(f"{location} cannot be read as a dataset ({reason}).") from error
    return undecoded(table, column)


class StreamedCrops(IterableDataset[Tensor]):
    """Endless crops of a streamed dataset, for one rank; its workers divide the rank's files among them.

    Args:
        table: a streamed dataset whose pictures are not decoded.
        column: where they are.
        size: side of a crop in pixels.
        seed: decides order and crops.
        rank, world_size: which part of the rows is this rank's.
        block: rows that are shuffled together.
    """

    def __init__(
        self,
        table: Any,
        column: str,
        size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        *,
        block: int = _SHUFFLED_ROWS,
    ) -> None:
        from datasets.distributed import split_dataset_by_node

        self.table = split_dataset_by_node(table, rank=rank, world_size=world_size) if world_size > 1 else table
        self.column, self.size, self.seed, self.rank, self.block = column, size, seed, rank, block
        self._skipped = torch.zeros(1, dtype=torch.int64).share_memory_()  # workers add to it
        self._state: dict[str, Any] = {"epoch": 0, "block": 0, "used": 0, "rows": None, "crops": 0}

    @property
    def skipped(self) -> int:
        """Number of times a photo was passed over because it could not be read or was too small."""
        return int(self._skipped)

    @property
    def most_workers(self) -> int:
        """Number of workers with rows to read: they divide the rank's files among them."""
        return int(self.table.num_shards)

    def state_dict(self) -> dict[str, Any]:
        """The position of this worker's stream, after the last crop that it gave."""
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._state = dict(state)

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()
        part = (self.rank, 0 if worker is None else worker.id)
        # `datasets` keeps the epoch in memory that all workers share, and orders the files by it.
        table = copy.deepcopy(self.table)
        while True:
            before = self._state["crops"]
            started_anew = self._state["block"] == self._state["used"] == 0
            yield from self._epoch(table, part)
            if started_anew and self._state["crops"] == before:
                raise ConfigError("the streamed dataset holds no photo that can be read.")
            self._state = {**self._state, "epoch": self._state["epoch"] + 1, "block": 0, "used": 0, "rows": None}

    def _epoch(self, table: Any, part: tuple[int, int]) -> Iterator[Tensor]:
        """The rest of an epoch's crops; `_state` is always right for the one that was given last."""
        state = self._state
        table.set_epoch(state["epoch"])
        if state["rows"] is not None:
            table.load_state_dict(state["rows"])
        rows = iter(table)
        while block := list(islice(rows, self.block)):
            following = table.state_dict()
            state = self._state
            shuffling = np.random.default_rng((self.seed, 3, *part, state["epoch"], state["block"]))
            order = shuffling.permutation(len(block))
            for used in range(state["used"], len(block)):
                generator = np.random.default_rng((self.seed, 1, *part, self._state["crops"]))
                try:
                    crop = random_crop(open_cell(block[order[used]][self.column]), self.size, generator)
                except ImageError:
                    self._skipped += 1
                    self._state = {**self._state, "used": used + 1}
                    continue
                self._state = {**self._state, "used": used + 1, "crops": self._state["crops"] + 1}
                yield crop
            self._state = {**self._state, "block": state["block"] + 1, "used": 0, "rows": following}


class StreamLoader:
    """Batches of a stream, and the state after each.

    A checkpoint wants the state of its step, not of what was fetched ahead.

    Args:
        crops: of this rank.
        batch_size: crops a batch.
        workers: processes; no more than have rows to read.
        state: of an earlier run's loader with as many workers, to go on from.
    """

    def __init__(
        self, crops: StreamedCrops, batch_size: int, workers: int, state: dict[str, Any] | None = None
    ) -> None:
        from torchdata.stateful_dataloader import StatefulDataLoader

        workers = min(workers, crops.most_workers)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*set_vital")  # between torchdata and torch
            self._loader = StatefulDataLoader(crops, batch_size, num_workers=workers, drop_last=True)
        if state is not None:
            self._loader.load_state_dict(state)
        self._states: OrderedDict[int, dict[str, Any] | None] = OrderedDict({0: state})

    def __iter__(self) -> Iterator[Tensor]:
        for number, batch in enumerate(self._loader, 1):
            self._states[number] = self._loader.state_dict()
            while len(self._states) > _MAX_KEPT_STATES:
                self._states.popitem(last=False)
            yield batch

    def state_after(self, batches: int) -> dict[str, Any] | None:
        """The state after so many batches of this loader, which were given a moment ago at most."""
        return self._states[batches]
