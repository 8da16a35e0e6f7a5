"""The manifest: a line for every picture, in parquet, beside the results. It is the state that a run goes on from.

Lines are kept in parts that are written whole, `_fastnst/part-00000001.parquet`, every few seconds; at the end they
become one file. A killed run loses the lines of its last seconds: their pictures are made again.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from typing import Any

from fastnst.errors import ConfigError, MissingDependencyError, OutputError
from fastnst.scale import files
from fastnst.scale.worker import Result

FOLDER, WHOLE = "_fastnst", "manifest.parquet"
_PART = re.compile(r"manifest\.parquet|part-[0-9]{1,12}\.parquet")
_FLUSH_LINES, _FLUSH_SECONDS = 2000, 5.0
_SETTINGS_KEY = b"fastnst.settings"


class Manifest:
    """The manifest of one output.

    Args:
        output: the batch's folder or address.
        settings: what results depend on; see `BatchOptions.fingerprint`.
        overwrite: forget what other settings have made.

    Raises `ConfigError` if results of other settings, or files of somebody else, are there and `overwrite` is not set.
    """

    def __init__(self, output: str, settings: str, *, overwrite: bool = False) -> None:
        self._folder = files.join(output, FOLDER)
        self._settings = settings
        self._waiting: list[Result] = []
        self._flushed = time.monotonic()
        self.address = files.join(self._folder, WHOLE)
        self._number = 0
        for path in self._parts():
            made_with = _settings_of(path)
            if made_with == settings:
                continue
            if not overwrite:
                raise ConfigError(
                    f"{output} holds results of other settings: name another output, or pass --overwrite."
                )
            _remove(path)
        if not overwrite and not self._parts() and files.names_in(output):
            raise ConfigError(
                f"{output} holds files that no batch has made: name an empty or a new folder, or pass --overwrite."
            )
        numbers = [int(path.rsplit("-", 1)[-1].split(".")[0]) for path in self._parts() if "part-" in path]
        self._number = max(numbers, default=0)

    def finished(self) -> dict[str, Result]:
        """The last result of every input, by its `storable` path, of all earlier runs."""
        found: dict[str, Result] = {}
        for path in self._parts():
            for result in _read(path):
                found[result.path] = result
        return found

    def add(self, result: Result) -> None:
        """Note a result; written soon, the first at once: it marks the output as ours."""
        self._waiting.append(_storable_result(result))
        due = self._number == 0 or time.monotonic() - self._flushed >= _FLUSH_SECONDS
        if due or len(self._waiting) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises `OutputError` if it cannot be written."""
        self._flushed = time.monotonic()
        if not self._waiting:
            return
        self._number += 1
        files.write(files.join(self._folder, f"part-{self._number:08d}.parquet"), self._encoded(self._waiting))
        self._waiting = []

    def close(self) -> None:
        """Make one file of all parts."""
        self.flush()
        parts = [path for path in self._parts() if "part-" in path]
        if not parts:
            return
        results = list(self.finished().values())
        files.write(self.address, self._encoded(results))
        for path in parts:
            _remove(path)

    def _parts(self) -> list[str]:
        """The files of the manifest, the oldest first."""
        names = files.names_in(self._folder)
        return [files.join(self._folder, name) for name in names if _PART.fullmatch(name)]

    def _encoded(self, results: list[Result]) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist([asdict(result) for result in results], schema=_schema(self._settings))
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        return buffer.getvalue()


def storable(text: str) -> str:
    """Text as parquet holds it: bytes of a name that are no UTF-8 become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _storable_result(result: Result) -> Result:
    path, output, error = map(storable, (result.path, result.output, result.error))
    return replace(result, path=path, output=output, error=error)


def is_intact(result: Result) -> bool:
    """True if what the manifest says was made is still there, by its size."""
    return not result.error and files.size(result.output) == result.size


def _schema(settings: str) -> Any:
    import pyarrow as pa

    kinds = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
    return pa.schema([(field.name, kinds[str(field.type)]) for field in fields(Result)], {_SETTINGS_KEY: settings})


def _settings_of(path: str) -> str:
    import pyarrow.parquet as pq

    with files.open_binary(path) as file:
        try:
            metadata = pq.read_schema(file).metadata or {}
        except Exception as error:  # a damaged file: pyarrow's exceptions have no common base
            raise OutputError(f"{path} is damaged: remove it to begin anew.") from error
    return str(metadata.get(_SETTINGS_KEY, b"").decode("utf-8", "replace"))


def _read(path: str) -> Iterator[Result]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.open_binary(path) as file:
        try:
            for batch in pq.ParquetFile(file).iter_batches():
                yield from [Result(**line) for line in batch.to_pylist()]
        except (pa.ArrowException, OSError, TypeError, ValueError) as error:  # cut, or not what we write
            raise OutputError(f"{path} is damaged: remove it to begin anew.") from error


def _remove(path: str) -> None:
    found, inside = files.filesystem(path)
    found.rm_file(inside)


def check_pyarrow() -> None:
    """Raise `MissingDependencyError` without pyarrow, before anything is done."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError('batches need pyarrow: pip install "fastnst[batch]".') from error
