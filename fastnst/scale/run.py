"""A batch from beginning to end: what is to be done, who does it, and what is noted of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fastnst.errors import ConfigError, OutputError
from fastnst.output_files import FullDiskError, locked_output
from fastnst.scale import files
from fastnst.scale.manifest import Manifest, check_pyarrow, is_intact, storable
from fastnst.scale.options import BatchOptions, Summary, as_inputs
from fastnst.scale.rows import Row, Unreadable, rows
from fastnst.scale.worker import Result, output_name

Watcher = Callable[[Summary], None]
_SHOWN_FAILURES = 10  # of a run; the manifest has all


def stylize_dataset(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    options: BatchOptions,
    *,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Summary:
    """Restyle any number of pictures, and go on where an earlier run of the same settings stopped.

    Args:
        inputs: folders, pictures, `.parquet`, `.tar` (WebDataset) and list files (`.txt`), each a path or an address
            that fsspec opens (`s3://…`).
        output: a folder or an address; it gets a manifest beside the results, `_fastnst/manifest.parquet`.
        options: what is made of every picture.
        overwrite: make everything anew, whatever other settings have made there.
        watcher: called after every result.

    A picture that cannot be made is a line of the manifest, not an end. Raises `ConfigError` for what means nothing,
    `OutputError` if the manifest cannot be written, and whatever the style raises when it is opened.
    """
    check_pyarrow()
    options.validate()
    names, folder = as_inputs(inputs), str(output)
    _check_apart(names, folder)
    with _alone(folder):
        return _run(names, folder, options, watcher, overwrite=overwrite)


def _run(inputs: list[str], output: str, options: BatchOptions, watcher: Watcher | None, *, overwrite: bool) -> Summary:
    started = time.monotonic()
    manifest = Manifest(output, options.fingerprint(), overwrite=overwrite)
    summary = Summary(manifest=manifest.address)
    try:
        todo = _todo(inputs, options, manifest, summary, overwrite=overwrite)
        for result in _engine(options)(todo, options, output):
            _note(result, manifest, summary)
            summary.seconds = time.monotonic() - started
            if watcher is not None:
                watcher(summary)
    except FullDiskError as error:
        with contextlib.suppress(OutputError):  # most likely its disk is the full one
            manifest.flush()
        raise FullDiskError(f"{error} {summary.made} pictures were made; the same command goes on.") from error
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OutputError):  # the first failure is the one to report
            manifest.flush()
        raise
    manifest.close()
    summary.seconds = time.monotonic() - started
    return summary


@contextlib.contextmanager
def _alone(output: str) -> Iterator[None]:
    """Keep another batch on this machine from the same output: both would write one manifest."""
    found, path = files.filesystem(output)
    with locked_output(path) if files.is_local(found) else contextlib.nullcontext():
        yield


def _engine(options: BatchOptions) -> Callable[[Iterator[Row], BatchOptions, str], Iterator[Result]]:
    if options.engine == "ray":
        from fastnst.scale.ray_engine import run_ray

        return run_ray
    from fastnst.scale.local import run_local

    return run_local


def _todo(
    inputs: list[str], options: BatchOptions, manifest: Manifest, summary: Summary, *, overwrite: bool
) -> Iterator[Row]:
    """The rows that are not done yet; what cannot even be read, or would take another's place, is noted at once."""
    finished = {} if overwrite else manifest.finished()
    outputs: set[int] = set()
    for row in rows(inputs, options.image_column):
        if isinstance(row, Unreadable):
            _note(Result(row.path, error=row.reason), manifest, summary)
            continue
        name = output_name(row.name, options.format)
        # Numbers, not names: a million of these fit into a few dozen megabytes.
        if hash(name) in outputs:
            _note(Result(row.path, error=f"another picture goes to {name} already."), manifest, summary)
            continue
        outputs.add(hash(name))
        earlier = finished.get(storable(row.path))
        if earlier is not None and is_intact(earlier):
            summary.kept += 1
            continue
        yield row


def _note(result: Result, manifest: Manifest, summary: Summary) -> None:
    manifest.add(result)
    if result.error:
        summary.failed += 1
        if len(summary.first_failures) < _SHOWN_FAILURES:
            named = result.error.startswith(result.path)
            summary.first_failures.append(result.error if named else f"{result.path}: {result.error}")
    else:
        summary.made += 1


def _check_apart(inputs: list[str], output: str) -> None:
    """Raise `ConfigError` if results would land among the pictures that are read, or in their place."""
    if not output:
        raise ConfigError("the output's name is empty: name a folder.")
    if files.kind_of(output) == "file":
        raise ConfigError(f"the output {output} is a file: name a folder.")
    there, path = files.filesystem(output)
    for address in inputs:
        found, inside = files.filesystem(address)
        same = type(found) is type(there)
        if same and (path.rstrip("/") + "/").startswith(inside.rstrip("/") + "/"):
            raise ConfigError(f"the output {output} lies inside the input {address}: name a folder beside it.")
        below = same and inside.startswith(path.rstrip("/") + "/")
        if below and files.kind_of(address) == "folder":
            raise ConfigError(f"the input {address} lies inside the output {output}: name a folder beside it.")
