"""Interlaced pictures are made whole ones, by FFmpeg's bwdif; what is whole already passes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from fastnst.runtime.video._pyav import import_av

_MIN_SIDE = 16  # pixels; of smaller planes bwdif has no lines to look at


class Deinterlacer:
    """One picture for each frame, at its time; the frames before and after help to fill in the missing lines.

    Attributes:
        used: whether any frame was interlaced.
    """

    def __init__(self) -> None:
        self.used = False
        self._graph: Any = None
        self._shape: tuple[Any, ...] = ()
        self._waiting: deque[tuple[int | None, int | None, Any]] = deque()  # times and the frame of what is inside

    def frames(self, frames: Iterable[Any]) -> Iterator[Any]:
        """The frames of one stream in their order, each with `pts` and `duration` as it came.

        From the first interlaced frame on all go through the filter, which leaves those alone that are not.
        """
        for frame in frames:
            shape = (frame.width, frame.height, frame.format.name)
            if self._graph is not None and shape != self._shape:
                yield from self._flush()
            if self._graph is None:
                if not frame.interlaced_frame or min(frame.width, frame.height) < _MIN_SIDE:
                    yield frame
                    continue
                self._graph, self._shape, self.used = _graph(frame), shape, True
            self._waiting.append((frame.pts, frame.duration, frame))
            self._graph.vpush(frame)
            yield from self._pull()
        if self._graph is not None:
            yield from self._flush()

    def _flush(self) -> Iterator[Any]:
        self._graph.vpush(None)
        yield from self._pull()
        self._graph = None
        self._waiting.clear()

    def _pull(self) -> Iterator[Any]:
        av = import_av()
        while True:
            try:
                whole = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if not self._waiting:
                continue
            pts, duration, origin = self._waiting.popleft()
            whole.pts, whole.time_base = pts, Fraction(origin.time_base)
            if duration:
                whole.duration = duration
            yield whole


def _graph(frame: Any) -> Any:
    av = import_av()
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    return graph
