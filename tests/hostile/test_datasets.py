"""Datasets whose files lead beyond their end, or hold no pictures."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fastnst.errors import ConfigError
from fastnst.trainer.photos import open_source


def saved_dataset(folder: Path, *, splits: bool) -> None:
    """A folder that `datasets` saved, whose file of Arrow says that its pictures lie far beyond its end."""
    from datasets import Dataset, DatasetDict, Features
    from datasets import Image as ImageFeature

    content = io.BytesIO()
    Image.linear_gradient("L").save(content, "PNG")
    size = len(content.getvalue())
    rows = [{"bytes": content.getvalue(), "path": None}] * 3
    table = Dataset.from_dict({"image": rows}, features=Features({"image": ImageFeature()}))
    (DatasetDict({"train": table}) if splits else table).save_to_disk(folder)
    (file,) = folder.rglob("*.arrow")
    arrow, offsets = file.read_bytes(), struct.pack("<4i", 0, size, 2 * size, 3 * size)
    assert offsets in arrow
    file.write_bytes(arrow.replace(offsets, struct.pack("<4i", 0, 0x70000000, 0x70000001, 0x7FFFFFFF)))


@pytest.mark.parametrize("splits", [False, True])
def test_saved_datasets_that_lead_beyond_their_end(splits: bool, tmp_path: Path) -> None:
    saved_dataset(tmp_path / "saved", splits=splits)
    with pytest.raises(ConfigError, match=r"cannot be read as a dataset .*larger than values array"):
        open_source(str(tmp_path / "saved"))


def test_columns_of_what_are_no_pictures(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [1, 2]}), tmp_path / "photos.parquet")
    with pytest.raises(ConfigError, match="the column 'image' holds no pictures"):
        open_source(str(tmp_path / "photos.parquet"))
