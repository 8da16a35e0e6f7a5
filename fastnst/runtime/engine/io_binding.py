"""Run a session with buffers that stay on the device from frame to frame, and record what repeats.

A CUDA graph replays the kernels of a whole run with one call. It needs the same shapes at the same addresses, so every
shape has buffers and a graph of its own; it is recorded only when a shape comes again, since photos of many sizes
would each pay for a recording. See onnxruntime's documentation of the CUDA provider, "Using CUDA Graphs".

onnxruntime keeps a graph for each thread, and frees none while the session lives: frames belong in one thread, and a
session that has recorded many sizes is opened anew.
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

from fastnst.array_types import UInt8Image
from fastnst.runtime.engine.page_locked import PageLockedMemory
from fastnst.runtime.engine.session import EngineFailure, UnavailableError, engine_calls, first_line, warn_once

_MAX_KEPT_SHAPES = 4  # whose buffers stay
_FIRST_RECORDED_FRAME = 3  # th frame of a shape
_MAX_GRAPHS = 8  # of one session
_NO_GRAPH = "-1"  # onnxruntime's graph id for a run that is neither recorded nor replayed

_Key = tuple[int, tuple[int, ...]]  # the thread and the shape


@dataclass
class _Buffers:
    """The state of one shape: input and output on the device, their binding, its graph's id, and its frames so far."""

    input: Any
    output: Any
    binding: Any
    graph: int
    frames: int = 0


class BoundSession:
    """Bytes in, bytes out through kept buffers; calls take turns.

    Args:
        ort: the onnxruntime module.
        session: of one uint8 input and one output of its shape; with graphs enabled if `reopen` is given.
        device: `cuda`, or `cpu`.
        reopen: opens the session anew, with graphs or, if recording one failed, without them for good.
        memory: page-locked memory for what goes to the device and comes back; None takes ordinary memory.
    """

    def __init__(
        self,
        ort: ModuleType,
        session: Any,
        device: str,
        reopen: Callable[[bool], Any] | None = None,
        memory: PageLockedMemory | None = None,
    ) -> None:
        self.session = session
        self._ort, self._device, self._reopen, self._memory = ort, device, reopen, memory
        self._with_graphs = reopen is not None
        self._names = session.get_inputs()[0].name, session.get_outputs()[0].name
        self._kept: OrderedDict[_Key, _Buffers] = OrderedDict()
        self._graphs = itertools.count(1)
        self._recorded = 0
        self._lock = threading.Lock()

    def __call__(self, images: UInt8Image) -> UInt8Image:
        """uint8 `[N, H, W, 3]` to the same, in memory of its own. Raises `EngineFailure`."""
        with self._lock:
            try:
                if self.session is None:  # it could not be opened anew, the last time
                    self._open_anew(with_graphs=self._with_graphs)
                return self._run(images)
            except EngineFailure as error:
                if self._reopen is None or not self._with_graphs:
                    raise
                warn_once(f"CUDA graphs are not used: {first_line(error)}.")
                self._open_anew(with_graphs=False)
                return self._run(images)

    def resident(self, images: UInt8Image) -> Callable[[], None]:
        """Runs these images again and again where they are, without transfers: for those who time the device alone.

        It has to be called in the thread that asked for it.
        """
        for _ in range(_FIRST_RECORDED_FRAME):  # what repeats is recorded
            self(images)
        kept = self._buffers(images.shape)

        def run() -> None:
            with self._lock:
                self._compute(kept)

        return run

    def _run(self, images: UInt8Image) -> UInt8Image:
        buffers = self._buffers(images.shape)
        with engine_calls():
            buffers.input.update_inplace(self._staged(images))
        self._compute(buffers)
        with engine_calls():
            return self._fetched(buffers.output, images.shape)

    def _staged(self, images: UInt8Image) -> UInt8Image:
        """The images where the device can read them."""
        if self._memory is None:
            return np.ascontiguousarray(images)
        staged = self._memory.array(images.shape)
        staged[...] = images
        return staged

    def _fetched(self, value: Any, shape: tuple[int, ...]) -> UInt8Image:
        if self._memory is not None:
            return self._memory.fetched(value.data_ptr(), shape)
        found: UInt8Image = value.numpy()
        # On the CPU the array would be the buffer itself, which the next frame overwrites.
        return found.copy() if self._device == "cpu" else found

    def _compute(self, buffers: _Buffers) -> None:
        buffers.frames += 1
        options = None
        if self._with_graphs:
            options = self._ort.RunOptions()
            records = buffers.frames >= _FIRST_RECORDED_FRAME
            options.add_run_config_entry("gpu_graph_id", str(buffers.graph) if records else _NO_GRAPH)
            self._recorded += buffers.frames == _FIRST_RECORDED_FRAME
        with engine_calls():
            self.session.run_with_iobinding(buffers.binding, options)

    def _buffers(self, shape: tuple[int, ...]) -> _Buffers:
        """Those of this shape in this thread; the ones that were not used for longest make room."""
        key = threading.get_ident(), shape
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if self._with_graphs and self._recorded >= _MAX_GRAPHS:
            self._open_anew(with_graphs=True)
        while len(self._kept) >= _MAX_KEPT_SHAPES:
            self._kept.popitem(last=False)
        create = self._ort.OrtValue.ortvalue_from_shape_and_type
        with engine_calls():
            model_input, output = (create(list(shape), np.uint8, self._device, 0) for _ in range(2))
            binding = self.session.io_binding()
            binding.bind_ortvalue_input(self._names[0], model_input)
            binding.bind_ortvalue_output(self._names[1], output)
        self._kept[key] = _Buffers(model_input, output, binding, next(self._graphs))
        return self._kept[key]

    def _open_anew(self, *, with_graphs: bool) -> None:
        assert self._reopen is not None
        self._kept.clear()
        self.session = None  # its graphs and memory go before the next one comes
        self._with_graphs, self._recorded = with_graphs, 0
        try:
            self.session = self._reopen(with_graphs)
        except UnavailableError as error:
            raise EngineFailure(str(error)) from error
