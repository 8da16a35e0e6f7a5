"""Run a session with buffers that stay on the device from frame to frame, and record what repeats.

A CUDA graph replays the kernels of a whole run with one call. It needs the same shapes at the same addresses, so every
shape has buffers and a graph of its own; it is recorded only when a shape comes again, since photos of many sizes
would each pay for a recording. See onnxruntime's documentation of the CUDA provider, "Using CUDA Graphs".
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from fastnst.runtime.engine.session import first_line, is_engine_error, warn_once

_KEPT_SHAPES = 4  # whose buffers stay
_RECORD_FROM = 3  # th frame of a shape
_NO_GRAPH = "-1"  # onnxruntime's graph id for a run that is neither recorded nor replayed


@dataclass
class _Buffers:
    """What one shape needs: input and output on the device, their binding, its graph's id, and its frames so far."""

    taken: Any
    given: Any
    binding: Any
    graph: int
    frames: int = 0


class BoundSession:
    """Bytes in, bytes out through kept buffers; calls take turns.

    Args:
        ort: the onnxruntime module.
        session: of one uint8 input and one output of its shape; with graphs enabled if `without_graphs` is given.
        device: `cuda`, or `cpu`.
        without_graphs: opens the session that takes over, for good, when recording a graph fails.
    """

    def __init__(
        self, ort: ModuleType, session: Any, device: str, without_graphs: Callable[[], Any] | None = None
    ) -> None:
        self.session = session
        self._ort, self._device, self._without_graphs = ort, device, without_graphs
        self._names = session.get_inputs()[0].name, session.get_outputs()[0].name
        self._kept: OrderedDict[tuple[int, ...], _Buffers] = OrderedDict()
        self._graphs = itertools.count(1)
        self._lock = threading.Lock()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 `[N, H, W, 3]` to the same, in memory of its own."""
        with self._lock:
            try:
                return self._run(images)
            except Exception as error:
                if self._without_graphs is None or not is_engine_error(error):
                    raise
                warn_once(f"CUDA graphs are not used: {first_line(error)}.")
                self._kept.clear()
                self.session, self._without_graphs = self._without_graphs(), None
                return self._run(images)

    def resident(self, images: np.ndarray) -> Callable[[], None]:
        """Runs these images again and again where they are, without transfers: for those who time the device alone."""
        for _ in range(_RECORD_FROM):  # what repeats is recorded
            self(images)
        kept = self._buffers(images.shape)

        def run() -> None:
            with self._lock:
                self._compute(kept)

        return run

    def _run(self, images: np.ndarray) -> np.ndarray:
        buffers = self._buffers(images.shape)
        buffers.taken.update_inplace(np.ascontiguousarray(images))
        self._compute(buffers)
        # On the CPU the array would be the buffer itself, which the next frame overwrites.
        return np.array(buffers.given.numpy())

    def _compute(self, buffers: _Buffers) -> None:
        buffers.frames += 1
        options = None
        if self._without_graphs is not None:
            options = self._ort.RunOptions()
            graph = str(buffers.graph) if buffers.frames >= _RECORD_FROM else _NO_GRAPH
            options.add_run_config_entry("gpu_graph_id", graph)
        self.session.run_with_iobinding(buffers.binding, options)

    def _buffers(self, shape: tuple[int, ...]) -> _Buffers:
        """Those of this shape; the ones that were not used for longest make room."""
        if shape in self._kept:
            self._kept.move_to_end(shape)
            return self._kept[shape]
        while len(self._kept) >= _KEPT_SHAPES:
            _, oldest = self._kept.popitem(last=False)
            if self._without_graphs is not None and hasattr(self.session, "release_captured_graph"):
                self.session.release_captured_graph(oldest.graph)
        create = self._ort.OrtValue.ortvalue_from_shape_and_type
        taken, given = (create(list(shape), np.uint8, self._device, 0) for _ in range(2))
        binding = self.session.io_binding()
        binding.bind_ortvalue_input(self._names[0], taken)
        binding.bind_ortvalue_output(self._names[1], given)
        self._kept[shape] = _Buffers(taken, given, binding, next(self._graphs))
        return self._kept[shape]
