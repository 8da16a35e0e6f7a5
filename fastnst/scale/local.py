"""The local engine: processes of the standard library, the cores divided among them."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from fastnst.errors import FastNSTError, ModelError
from fastnst.runtime.engine.providers import usable_cores
from fastnst.scale.options import BatchOptions
from fastnst.scale.rows import Row
from fastnst.scale.worker import Result, Worker

_ROWS_AHEAD_PER_WORKER = (
    4  # rows a worker that are handed out ahead; more would only fill the memory with encoded pictures
)
_worker: Worker | str = "no worker was opened."  # of this process, or why there is none


def run_local(todo: Iterable[Row], options: BatchOptions, output: str) -> Iterator[Result]:
    """The results of rows, in the order in which they are done.

    Raises `ModelError` if the style cannot be opened or the workers' processes end, by a lack of memory for example;
    `FullDiskError`.
    """
    cores = usable_cores()
    workers = options.workers or max(1, cores // 2)
    threads = options.threads or max(1, cores // workers)
    if workers == 1:
        yield from map(Worker(options, output, threads), todo)
        return
    context = multiprocessing.get_context("spawn")  # engines' threads do not survive a fork
    rows = iter(todo)
    with ProcessPoolExecutor(workers, context, _open, (options, output, threads)) as pool:
        waiting = {pool.submit(_make, row) for row in itertools.islice(rows, workers * _ROWS_AHEAD_PER_WORKER)}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(_make, row) for row in itertools.islice(rows, len(done))}
                yield from map(Future.result, done)
        except BrokenProcessPool as error:
            raise ModelError(
                "a worker ended without a word, most likely for want of memory: take fewer --workers, or --max-size."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _open(options: BatchOptions, output: str, threads: int) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the first process ends the others
    try:
        _worker = Worker(options, output, threads)
    except FastNSTError as error:  # an initializer that fails writes a traceback and ends the pool
        _worker = str(error)


def _make(row: Row) -> Result:
    if isinstance(_worker, str):
        raise ModelError(_worker)
    return _worker(row)
