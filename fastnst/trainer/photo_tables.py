"""Training photos in tables: parquet files, folders that `datasets` saved, the hub."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_image
from fastnst.images.folders import files_below

os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")  # else `datasets` tells the hub of local tables
_USUAL_COLUMN = "image"
_SAVED_DATASET_FILES = ("dataset_dict.json", "state.json")  # what `save_to_disk` leaves: of several splits, of one


class TableSource:
    """Pictures in one column of a Hugging Face dataset, or of rows taken from one.

    Args:
        table: rows by number, their pictures not decoded (see `undecoded`).
        column: where the pictures are.
    """

    def __init__(self, table: Any, column: str) -> None:
        self.table, self.column = table, column

    def __len__(self) -> int:
        return len(self.table)

    def open(self, index: int) -> Image.Image:
        """RGB photo `index`; raises `ImageError` if it cannot be read."""
        return open_cell(self.table[index][self.column])


def open_cell(cell: Any) -> Image.Image:
    """The RGB photo in a cell `{"bytes": …, "path": …}`; raises `ImageError` for an empty or damaged one."""
    content = cell.get("bytes") if isinstance(cell, dict) else None
    path = cell.get("path") if isinstance(cell, dict) else None
    if content is not None:
        return open_image(io.BytesIO(content))
    if path is None:
        raise ImageError("a row without a picture.")
    return open_image(Path(path))


def is_saved_dataset(folder: Path) -> bool:
    """True if a folder was written by `Dataset.save_to_disk`, or by that of a dictionary of datasets."""
    return any(os.path.isfile(folder / name) for name in _SAVED_DATASET_FILES)


def saved_source(folder: Path, split: str, column: str | None) -> TableSource:
    """The photos of a `save_to_disk` folder; raises `ConfigError` without the split or an image column."""
    from datasets import DatasetDict, load_from_disk

    with _damage_as_user_error(folder):
        table = load_from_disk(str(folder))
        for one in table.values() if isinstance(table, DatasetDict) else [table]:
            one.data.validate(full=True)  # Arrow believes the offsets in a file, and would read beyond its end
    if isinstance(table, DatasetDict):
        if split not in table:
            raise ConfigError(f"{folder} has no split '{split}': pass --data.split with one of {', '.join(table)}.")
        table = table[split]
    return TableSource(*undecoded(table, column))


def parquet_files(path: Path) -> list[Path]:
    """The parquet files at or below a path that hold pictures, not only descriptions of picture files beside them.

    Raises `ConfigError` for a file that is not parquet.
    """
    if os.path.isfile(path):
        return [path]
    return [file for file in files_below(path) if file.suffix == ".parquet" and _holds_pictures(file)]


def parquet_source(files: list[Path], column: str | None) -> TableSource:
    """The photos of parquet files of one kind. Raises `ConfigError` for damaged ones, or without an image column."""
    from datasets import load_dataset

    with _damage_as_user_error(files[0] if len(files) == 1 else files[0].parent):
        table = load_dataset("parquet", data_files=[str(file) for file in files], split="train")
    return TableSource(*undecoded(table, column))


def hub_table(name: str, split: str, column: str | None = None, *, streaming: bool) -> tuple[Any, str]:
    """A dataset of the Hugging Face hub, downloaded (and cached) or streamed, and its image column.

    Raises `ConfigError`, naming the offline alternative, if it cannot be reached.
    """
    from datasets import load_dataset

    try:
        table = load_dataset(name, split=split, streaming=streaming)
    except Exception as error:  # of datasets, the hub's library and its HTTP library
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise ConfigError(
            f"the photos '{name}' ({split}) cannot be loaded from the hub ({reason}): check the name and the"
            " connection, or give --photos a folder of pictures or of .parquet files."
        ) from error
    return undecoded(table, column)


def undecoded(table: Any, column: str | None) -> tuple[Any, str]:
    """A dataset reduced to its image column, whose cells stay encoded, and that column's name.

    Args:
        table: with columns of any kind.
        column: None takes `image`, or the only column that holds pictures by its type.

    Raises `ConfigError`, with the columns that there are, if none or several could be meant.
    """
    from datasets import Image as ImageFeature

    names = table.column_names
    column = _chosen(table.features or {}, names, column) if names is not None else column or _USUAL_COLUMN
    try:
        return table.select_columns([column]).cast_column(column, ImageFeature(decode=False)), column
    except (ValueError, TypeError, RuntimeError) as error:  # of all three kinds are pyarrow's
        raise ConfigError(f"the column '{column}' holds no pictures: name another with --data.image_column.") from error


def _chosen(features: Any, names: list[str], column: str | None) -> str:
    if column is not None:
        if column not in names:
            raise ConfigError(f"there is no column '{column}'; the columns are {', '.join(names)}.")
        return column
    if _USUAL_COLUMN in names:
        return _USUAL_COLUMN
    for kind in (_is_image, _is_encoded):
        found = [name for name in names if name in features and kind(features[name])]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"several columns hold pictures: pass --data.image_column with one of {', '.join(found)}."
            )
    raise ConfigError(
        f"no column holds pictures; the columns are {', '.join(names)}: name one with --data.image_column."
    )


def _is_image(feature: Any) -> bool:
    from datasets import Image as ImageFeature

    return isinstance(feature, ImageFeature)


def _is_encoded(feature: Any) -> bool:
    """Bytes, or bytes with a path, as other programs write pictures into parquet files."""
    inner = feature.get("bytes") if isinstance(feature, dict) else feature
    return getattr(inner, "dtype", None) in ("binary", "large_binary")


def _holds_pictures(file: Path) -> bool:
    from pyarrow import parquet, types

    with _damage_as_user_error(file):
        schema = parquet.read_schema(file)
    kinds = [field.type for field in schema]
    kinds += [part.type for kind in kinds if types.is_struct(kind) for part in kind]
    return any(types.is_binary(kind) or types.is_large_binary(kind) for kind in kinds)


@contextmanager
def _damage_as_user_error(place: Path) -> Iterator[None]:
    """One sentence for the errors that `datasets` and pyarrow raise for damaged files."""
    try:
        yield
    except Exception as error:  # errors of pyarrow, JSON, the file system and their wrappers
        reason = str(error.__cause__ or error).splitlines() or [type(error).__name__]
        raise ConfigError(f"{place} cannot be read as a dataset ({reason[0][:160]}).") from error
