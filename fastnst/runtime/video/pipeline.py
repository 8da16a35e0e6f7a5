"""Stages that work at the same time, a thread each, with short queues between them.

The first failure in any stage stops all of them and is raised to the caller: nobody waits for a stage that is gone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
_POLL_SECONDS = 0.1  # seconds between looks at progress; a main thread that waits without end would not see Ctrl-C
_MAX_STOP_SECONDS = 20.0  # seconds for a stage to finish its item after a stop; daemon threads may then be left behind


class Stopped(Exception):  # noqa: N818 - not an error: another stage ended the work
    """The pipeline was stopped while this stage waited."""


class Channel(Generic[Item]):
    """A queue of bounded length that can be closed by its writer and stopped by anyone."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[Item] = deque()
        self._capacity = capacity
        self._closed = self._stopped = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Wait for room and add; raises `Stopped`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._items) < self._capacity)
            if self._stopped:
                raise Stopped
            self._items.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        """Items until the writer closes; raises `Stopped`."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._closed or bool(self._items))
                if self._stopped:
                    raise Stopped
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def close(self) -> None:
        """No more items will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Wake everyone who waits; items still inside are dropped."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._changed.notify_all()


@dataclass(frozen=True)
class Stage:
    """One step: `work` takes a list of at most `batch` items and returns their results in order."""

    name: str
    work: Callable[[list[Any]], list[Any]]
    batch: int = 1


class Work(Protocol):
    """The work on a clip: its frames get the picture that is shown."""

    @property
    def stages(self) -> list[Stage]:
        """In order."""

    @property
    def warm_up(self) -> int:
        """Number of frames before one that it depends on; they are worked on and thrown away where work begins anew."""


@dataclass
class Run:
    """The outcome of a pipeline: items that left it, and the seconds each stage worked (waiting left out)."""

    items: int
    seconds: float
    busy: dict[str, float]


class Pipeline:
    """`source` → stages → `sink`, one thread each.

    Args:
        source: gives the items; iterated and closed in its own thread.
        stages: in order.
        sink: takes each result.
        capacity: items that may wait before each stage. Memory is bounded by it.
    """

    def __init__(
        self, source: Iterable[Any], stages: Sequence[Stage], sink: Callable[[Any], None], capacity: int = 4
    ) -> None:
        self._channels: list[Channel[Any]] = [Channel(capacity) for _ in range(len(stages) + 1)]
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self.done = 0
        self.busy = {name: 0.0 for name in ("decode", *(stage.name for stage in stages), "encode")}
        works: list[tuple[str, Callable[[], None]]] = [("decode", lambda: self._produce(source))]
        for index, stage in enumerate(stages):
            works.append((stage.name, lambda index=index, stage=stage: self._transform(index, stage)))  # type: ignore[misc]
        works.append(("encode", lambda: self._consume(sink)))
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name=f"fastnst-{name}", daemon=True)
            for name, work in works
        ]

    def run(self, progress: Callable[[int], None] | None = None) -> Run:
        """Work until the source ends; `progress` is called with the number of finished items now and then.

        Raises what the first failing stage raised, or KeyboardInterrupt; no stage works any more then, unless one
        is stuck inside a foreign call (see `stuck`).
        """
        started = time.perf_counter()
        for thread in self._threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in self._threads) and self._failure is None:
                self._threads[-1].join(_POLL_SECONDS)
                if progress:
                    progress(self.done)
        finally:  # Ctrl-C too
            if self._failure is not None or any(thread.is_alive() for thread in self._threads):
                self.stop()
        if self._failure is not None:
            raise self._failure
        return Run(self.done, time.perf_counter() - started, self.busy)

    def stop(self) -> None:
        """Let every stage finish the item it holds and end."""
        for channel in self._channels:
            channel.stop()
        until = time.monotonic() + _MAX_STOP_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    @property
    def stuck(self) -> bool:
        """True if the last stage did not end: what it writes to must not be touched then."""
        return self._threads[-1].is_alive()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            pass
        except BaseException as error:  # whatever it is, the others must not wait for this stage
            with self._lock:
                self._failure = self._failure or error
            for channel in self._channels:
                channel.stop()

    def _produce(self, source: Iterable[Any]) -> None:
        iterator = iter(source)
        try:
            while True:
                before = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                self.busy["decode"] += time.perf_counter() - before
                self._channels[0].put(item)
        finally:
            close = getattr(iterator, "close", None)
            if close:
                close()
        self._channels[0].close()

    def _transform(self, index: int, stage: Stage) -> None:
        inbox, outbox = self._channels[index], self._channels[index + 1]
        batch: list[Any] = []

        def flush() -> None:
            before = time.perf_counter()
            results = stage.work(batch)
            self.busy[stage.name] += time.perf_counter() - before
            for result in results:
                outbox.put(result)
            batch.clear()

        for item in inbox:
            batch.append(item)
            if len(batch) >= stage.batch:
                flush()
        if batch:
            flush()
        outbox.close()

    def _consume(self, sink: Callable[[Any], None]) -> None:
        for item in self._channels[-1]:
            before = time.perf_counter()
            sink(item)
            self.busy["encode"] += time.perf_counter() - before
            self.done += 1
