"""Sources of pictures: folders, addresses, list files, parquet, WebDataset shards. Rows are names and bytes.

No pixels travel: a row has the encoded picture, or only where it lies, and the worker decodes it.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from fastnst.errors import ConfigError, FastNSTError, MissingDependencyError
from fastnst.images.folders import files_below
from fastnst.images.formats import READABLE
from fastnst.scale import files

_TABLES, _SHARDS, _LISTS = (".parquet",), (".tar",), (".txt", ".lst")
_ROWS_HELD = 64  # of a parquet file that are held at once
_MAX_LINE_BYTES = 1 << 16  # bytes of a line of a list
_READS_PAST_THE_END = 16  # of a shard; of a whole one tarfile tries one or two


@dataclass(frozen=True)
class Row:
    """One picture that waits.

    Attributes:
        path: where it lies: an address, or `file.parquet#17`, or `shard.tar#name.jpg`.
        name: below the input's folder, with `/`; the result is called after it.
        content: the encoded picture; None where the worker should read `path` itself.
    """

    path: str
    name: str
    content: bytes | None = None


@dataclass(frozen=True)
class Unreadable:
    """An input that could not be read, and why."""

    path: str
    reason: str


def rows(inputs: list[str], image_column: str | None = None) -> Iterator[Row | Unreadable]:
    """All pictures of the inputs, in a fixed order.

    Raises `ConfigError` for an input that is not there or that holds no pictures.
    """
    for address in inputs:
        suffix = posixpath.splitext(address.rstrip("/"))[1].lower()
        if suffix in _TABLES:
            yield from _table(address, image_column)
        elif suffix in _SHARDS:
            yield from _shard(address)
        elif suffix in _LISTS:
            yield from _list(address)
        else:
            yield from _folder(address, image_column)


def _folder(address: str, image_column: str | None) -> Iterator[Row | Unreadable]:
    """Pictures below a folder, or one picture; tables and shards in the folder count too."""
    found, root = files.filesystem(address)
    kind = files.kind_of(address)
    if kind == "nothing":
        raise ConfigError(f"{address} does not exist.")
    if kind == "file":
        yield Row(address, posixpath.basename(root))
        return
    some = False
    for path in _below(found, root):
        name = path[len(root.rstrip("/")) + 1 :]
        where = files.join(address, name)
        suffix = posixpath.splitext(path)[1].lower()
        if suffix in READABLE:
            some = True
            yield Row(where, name)
        elif suffix in _TABLES:
            some = True
            yield from _table(where, image_column)
        elif suffix in _SHARDS:
            some = True
            yield from _shard(where)
    if not some:
        raise ConfigError(f"no pictures were found in {address}.")


def _below(found: Any, root: str) -> Iterator[str]:
    """Files below a folder in the order of their names, hidden ones and our own manifest's left out."""
    if files.is_local(found):  # links may lead back to where they come from
        for path in map(str, files_below(Path(root))):
            if not any(part.startswith("_fastnst") for part in path[len(root) :].split("/")[:-1]):
                yield path
        return
    for folder, folders, names in found.walk(root, detail=False):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_fastnst")))
        for name in sorted(names):
            if not name.startswith("."):
                yield f"{folder.rstrip('/')}/{name}"


def _list(address: str) -> Iterator[Row | Unreadable]:
    """One address or path a line; relative ones count from the list's folder, `#` begins a remark."""
    base = address.rsplit("/", 1)[0] if "/" in address else "."
    with files.open_binary(address) as file:
        for raw in _lines(file, address):
            try:
                line = raw.decode("utf-8-sig").strip()
            except UnicodeDecodeError:
                yield Unreadable(f"{address}: {raw[:40]!r}", "this line is not UTF-8.")
                continue
            if not line or line.startswith("#"):
                continue
            is_absolute = "://" in line or line.startswith("/")
            # Of an absolute path the whole is kept below the output: two folders may hold the same names.
            name = line.split("://", 1)[-1].lstrip("/")
            yield Row(line if is_absolute else files.join(base, line), posixpath.normpath(name))


def _lines(file: IO[bytes], address: str) -> Iterator[bytes]:
    """The lines of a list; raises `ConfigError` for one that does not end."""
    begun = b""
    while block := file.read(_MAX_LINE_BYTES):
        *whole, begun = (begun + block).split(b"\n")
        yield from whole
        if len(begun) > _MAX_LINE_BYTES:
            raise ConfigError(
                f"{address} has a line of more than {_MAX_LINE_BYTES:,} bytes: it is no list of pictures."
            )
    yield begun


def _table(address: str, image_column: str | None) -> Iterator[Row | Unreadable]:
    """The pictures of a parquet file: a column of bytes, or of the structs that `datasets` writes."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError('parquet needs pyarrow: pip install "fastnst[batch]".') from error
    stem = posixpath.splitext(posixpath.basename(address))[0]
    try:
        with files.open_binary(address) as file:
            table = pq.ParquetFile(file)
            column = _image_column(table.schema_arrow, image_column, address)
            names = [name for name in ("path", "file_name", "filename") if name in table.schema_arrow.names][:1]
            number = 0
            for batch in table.iter_batches(batch_size=_ROWS_HELD, columns=[column, *names]):
                for record in batch.to_pylist():
                    yield _record(address, stem, number, record, column, names)
                    number += 1
    except ConfigError:
        raise
    except FastNSTError as error:
        yield Unreadable(address, str(error))
    except Exception as error:  # pyarrow raises whatever a damaged file makes it stumble over
        yield Unreadable(address, f"it cannot be read as parquet ({files.reason(error)}).")


def _record(
    address: str, stem: str, number: int, record: dict[str, Any], column: str, names: list[str]
) -> Row | Unreadable:
    value = record[column]
    where = f"{address}#{number}"
    own = record[names[0]] if names else None
    if isinstance(value, dict):
        own = own or value.get("path")
        value = value.get("bytes")
    if not isinstance(value, bytes) or not value:
        return Unreadable(where, "this row holds no picture.")
    base = posixpath.basename(str(own).replace("\\", "/")) if own else ""
    # The row's number keeps names apart, and shows where a result came from.
    return Row(where, f"{stem}/{number:08d}" + (f"_{base}" if base else _suffix(value)), value)


def _image_column(schema: Any, wanted: str | None, address: str) -> str:
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" and holds_bytes(field.type) for field in kind)
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    fitting = [field.name for field in schema if holds_bytes(field.type)]
    if wanted is not None:
        if wanted not in fitting:
            raise ConfigError(f"{address} has no column of pictures '{wanted}': it has {', '.join(fitting) or 'none'}.")
        return wanted
    if "image" in fitting:
        return "image"
    if len(fitting) != 1:
        there = ", ".join(fitting) or "it has none"
        raise ConfigError(f"name the column of pictures of {address} with --image-column: {there}.")
    return str(fitting[0])


def _shard(address: str) -> Iterator[Row | Unreadable]:
    """The pictures of a WebDataset shard, a plain tar, read once from the beginning to the end."""
    stem = posixpath.splitext(posixpath.basename(address))[0]
    try:
        with (
            files.open_binary(address) as file,
            tarfile.open(fileobj=cast("IO[bytes]", _Ending(file)), mode="r|*") as shard,
        ):
            for member in shard:
                if not member.isfile() or posixpath.splitext(member.name)[1].lower() not in READABLE:
                    continue
                where = f"{address}#{member.name}"
                content = shard.extractfile(member)
                if content is None or member.size > files.MAX_PICTURE_BYTES:
                    yield Unreadable(where, "it is not a picture that can be read.")
                    continue
                yield Row(where, f"{stem}/{posixpath.normpath(member.name)}", content.read())
    except FastNSTError as error:
        yield Unreadable(address, str(error))
    except Exception as error:  # tarfile raises whatever a damaged header makes it stumble over
        yield Unreadable(address, f"it cannot be read as a tar ({files.reason(error)}).")


class _Ending:
    """A file that says so when it is read again and again past its end.

    tarfile goes on without a word towards the end of a member whose header says that it has exabytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._empty = file, 0

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._empty = 0 if content else self._empty + 1
        if self._empty > _READS_PAST_THE_END:
            raise EOFError("it ends within a file")
        return content


def _suffix(content: bytes) -> str:
    """The suffix of an encoded picture whose name nobody knows, by its first bytes."""
    starts = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"II*\0": ".tif", b"MM\0*": ".tif"}
    return next((suffix for start, suffix in starts.items() if content.startswith(start)), ".jpg")
