"""Streams: disjoint and complete over ranks and workers, and exactly gone on with."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import ConfigError
from fastnst.trainer.streams import StreamedCrops, StreamLoader, open_stream
from fastnst.training.data import PhotoData

COUNT = 48
# `datasets` waits for its threads whenever a stream is left, or the process may crash.
pytestmark = pytest.mark.slow


def picture(number: int) -> bytes:
    """A picture of one level, which every crop of it tells."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((70, 80, 3), number + 10, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four parquet files of twelve pictures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("tables")
    for file in range(4):
        rows = [{"bytes": picture(12 * file + row), "path": None} for row in range(12)]
        pq.write_table(pa.table({"image": rows}), folder / f"{file}.parquet")
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two WebDataset shards of 24 pictures."""
    folder = tmp_path_factory.mktemp("shards")
    for file in range(2):
        with tarfile.open(folder / f"{file:06d}.tar", "w") as shard:
            for row in range(24):
                content = picture(24 * file + row)
                info = tarfile.TarInfo(f"{24 * file + row:06d}.png")
                info.size = len(content)
                shard.addfile(info, io.BytesIO(content))
    return folder


def crops(location: Path, rank: int = 0, world_size: int = 1, block: int = 5) -> StreamedCrops:
    return StreamedCrops(*open_stream(str(location), "train", None), 64, 0, rank, world_size, block=block)


def levels(batches: list[torch.Tensor]) -> list[int]:
    return [int(crop.float().mean().round()) - 10 for batch in batches for crop in batch]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_divide_the_rows(tables: Path, world_size: int) -> None:
    """Two ranks get files of their own, three get every third row."""
    parts = []
    for rank in range(world_size):
        own = COUNT // world_size
        parts.append([int(crop.float().mean().round()) - 10 for crop in islice(crops(tables, rank, world_size), own)])
    assert sorted(level for part in parts for level in part) == list(range(COUNT))
    assert all(part != sorted(part) for part in parts)


def test_workers_divide_the_rows_too(tables: Path) -> None:
    batches = list(islice(StreamLoader(crops(tables), 4, 2), COUNT // 4))
    assert sorted(levels(batches)) == list(range(COUNT))


def test_epochs_differ(tables: Path) -> None:
    seen = [int(crop.float().mean().round()) - 10 for crop in islice(crops(tables), 2 * COUNT)]
    assert sorted(seen[:COUNT]) == sorted(seen[COUNT:]) == list(range(COUNT))
    assert seen[:COUNT] != seen[COUNT:]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 4, 14])
def test_a_stopped_stream_goes_on_exactly(tables: Path, workers: int, stop: int) -> None:
    """Also when the loader was asked for more than was used, and across the end of an epoch."""
    whole = list(islice(StreamLoader(crops(tables), 4, workers), 18))
    first = StreamLoader(crops(tables), 4, workers)
    taken = list(islice(first, stop + 2))
    second = StreamLoader(crops(tables), 4, workers, first.state_after(stop))
    rest = list(islice(second, 18 - stop))
    for one, other in zip(whole, taken[:stop] + rest, strict=True):
        assert torch.equal(one, other)


def test_webdataset_shards(shards: Path) -> None:
    assert sorted(levels(list(islice(StreamLoader(crops(shards), 4, 2), COUNT // 4)))) == list(range(COUNT))
    data = PhotoData(str(shards), image_size=64, val_limit=4)
    data.setup("fit")
    assert len(data.val_dataset) == 4
    assert next(iter(data.train_dataloader())).shape == (4, 3, 64, 64)


def test_broken_rows_are_counted(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"bytes": picture(row) if row % 3 else b"broken", "path": None} for row in range(12)]
    pq.write_table(pa.table({"image": rows}), tmp_path / "a.parquet")
    stream = crops(tmp_path)
    assert sorted(int(crop.float().mean().round()) - 10 for crop in islice(stream, 8)) == [1, 2, 4, 5, 7, 8, 10, 11]
    assert stream.skipped >= 3
    pq.write_table(pa.table({"image": [{"bytes": b"broken", "path": None}]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="holds no photo that can be read"):
        next(iter(crops(tmp_path)))


def test_no_stream(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither \.tar nor \.parquet"):
        open_stream(str(tmp_path), "train", None)
    (tmp_path / "a.tar").write_text("no tar")
    with pytest.raises(ConfigError, match="cannot be read as a dataset"):
        open_stream(str(tmp_path), "train", None)


def test_an_epoch_is_each_workers_own(tables: Path) -> None:
    """Workers share the memory of the dataset's epoch: written there, files are read twice or never."""
    stream = crops(tables)
    assert len(list(islice(stream, 2 * COUNT + 1))) == 2 * COUNT + 1
    assert stream.state_dict()["epoch"] == 2
    assert stream.table.epoch == 0


@pytest.mark.slow
def test_two_processes_with_gloo(tables: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("stream_rank.py"))]
    processes = [
        subprocess.Popen([*command, str(rank), str(tables), str(port)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        results = [json.loads(process.communicate(timeout=180)[0].splitlines()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(result["exact"] for result in results)
    assert not set(results[0]["levels"]) & set(results[1]["levels"])


def test_other_workers_are_refused(tables: Path) -> None:
    data = PhotoData(str(tables), image_size=64, streaming=True, workers=0, val_limit=2)
    data.load_state_dict({"streams": [{}], "workers": 2})
    data.setup("fit")
    with pytest.raises(ConfigError, match="1 processes with 2 workers each, not 1 with 0"):
        data.train_dataloader()
