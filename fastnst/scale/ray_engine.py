"""The Ray engine: Ray Data over a cluster, an actor for each open style.

Blocks carry encoded bytes and names, never pixels: tensors of different shapes make Ray's blocks slow and large. Actors
get the style's name and open it themselves, with as many threads as they were given cores, since onnxruntime would size
its pool to the host.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from fastnst.errors import MissingDependencyError
from fastnst.scale.options import BatchOptions
from fastnst.scale.rows import Row
from fastnst.scale.worker import Result, Worker

_ROWS_PER_CALL = 16  # of one call of an actor
_ROWS_PER_DATASET = 20_000  # rows that become one dataset: names of a million pictures need not be in memory at once


class StyleActor:
    """The class that Ray Data calls with batches: names and bytes in, results out."""

    def __init__(self, options: BatchOptions, output: str, threads: int | None) -> None:
        self._worker = Worker(options, output, threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Columns of `Row` to columns of `Result`."""
        rows = zip(batch["path"], batch["name"], batch["content"], strict=True)
        results = [
            asdict(self._worker(Row(str(path), str(name), bytes(content) if len(content) else None)))
            for path, name, content in rows
        ]
        return {key: [result[key] for result in results] for key in results[0]}


def run_ray(todo: Iterable[Row], options: BatchOptions, output: str) -> Iterator[Result]:
    """The results of rows from the cluster's actors, chunk by chunk. Raises `MissingDependencyError` without Ray."""
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError('the engine ray needs Ray Data: pip install "fastnst[ray]".') from error
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports each start to its makers
        ray.init(log_to_driver=False, logging_level="ERROR", configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    threads = options.threads or 1
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    # One core at least stays for reading and for Ray's own tasks.
    workers = options.workers or max(1, (cores - 1) // threads)
    for chunk in _chunks(todo):
        dataset = ray.data.from_items(
            [{"path": row.path, "name": row.name, "content": row.content or b""} for row in chunk],
            override_num_blocks=max(1, min(len(chunk) // _ROWS_PER_CALL, 8 * workers)),
        )
        made = dataset.map_batches(
            StyleActor,
            batch_size=_ROWS_PER_CALL,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
            num_cpus=threads,
            num_gpus=options.gpus or None,
            fn_constructor_args=(options, output, threads),
        )
        for line in made.iter_rows():
            yield Result(**line)


def _chunks(todo: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in todo:
        chunk.append(row)
        size += len(row.content or b"")
        if len(chunk) >= _ROWS_PER_DATASET or size > 512 << 20:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
