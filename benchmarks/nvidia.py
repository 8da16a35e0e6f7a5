"""What the CUDA provider does on this card: precision, CUDA graphs, transfers, time.

    python benchmarks/nvidia.py STYLE.onnx [HALF.fp16.onnx] [--size 720p 1080p 4K] [--rounds 20] [--json FILE]

A half-precision copy comes from `fastnst export STYLE.onnx --precision fp16 -o HALF.fp16.onnx`. Each way to compute
(half, TF32, float32) is compared with the CPU's float32 on a photo, a pattern and two other sizes (the lowest PSNR is
told), and a recorded graph with a plain run, on the recorded picture and on one that it has not seen. Times are medians
in milliseconds: `resident` is a run whose input and output stay on the card, `host` is from bytes in the host's memory
to bytes there. `graph` replays a CUDA graph, `bound` keeps buffers but records nothing, `plain` is onnxruntime's
ordinary call; `pageable` is the graph without page-locked memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from command_line import build_parser, run_command, write_json
from fastnst.commands.bench import parse_size, test_picture
from fastnst.errors import ModelError
from fastnst.output_files import check_output
from fastnst.runtime.engine.io_binding import BoundSession
from fastnst.runtime.engine.machine import gpu_name
from fastnst.runtime.engine.page_locked import PageLockedMemory, page_locked_memory
from fastnst.runtime.engine.providers import import_onnxruntime, usable_cores
from fastnst.runtime.engine.session import ORT_NAMES, Session, UnavailableError, open_session
from fastnst.style_export import cpu_session

ort = import_onnxruntime()
_OPTIONS: dict[str, dict[str, Any]] = {
    "f16": {"cudnn_conv_algo_search": "HEURISTIC"},
    "tf32": {"cudnn_conv_algo_search": "HEURISTIC"},
    "f32": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": 0},
}
_COMPARED = ((256, 256), (720, 1280), (203, 151))


class Way:
    """One precision: a session as it is, one that records graphs, and what runs them."""

    def __init__(self, name: str, path: Path, memory: PageLockedMemory | None) -> None:
        self.name, self.path = name, path
        self.plain = self._open()
        self.graph = BoundSession(ort, self._open(enable_cuda_graph=1), "cuda", _never_reopened, memory)
        self.pageable = BoundSession(ort, self._open(enable_cuda_graph=1), "cuda", _never_reopened)
        self.bound = BoundSession(ort, self._open(), "cuda", memory=memory)

    def _open(self, **more: Any) -> Session:
        return open_session(ort, self.path, usable_cores(), "cuda", [("cuda", _OPTIONS[self.name] | more)])

    def run(self, frame: np.ndarray) -> np.ndarray:
        """onnxruntime's ordinary call."""
        return np.asarray(self.plain.run(None, {"image": frame})[0])

    def precision(self, expected: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
        """The lowest PSNR in dB, and whether a replayed graph computes what a plain run does."""
        same = all(np.array_equal(self.graph(frame), self.run(frame)) for frame, _ in expected for _ in range(4))
        unseen = expected[1][0][:, ::-1].copy()  # its size is recorded by now, its pixels are not
        return {
            "psnr_db": round(min(_psnr(self.run(frame), wanted) for frame, wanted in expected), 1),
            "graph_equals_plain": same and bool(np.array_equal(self.graph(unseen), self.run(unseen))),
        }

    def times(self, frame: np.ndarray, rounds: int) -> dict[str, float]:
        """Median milliseconds of each kind of run, one kind after the other."""
        kinds: dict[str, Callable[[], Any]] = {
            "graph resident": self.graph.resident(frame),
            "graph host": lambda: self.graph(frame),
            "graph host pageable": lambda: self.pageable(frame),
            "bound resident": self.bound.resident(frame),
            "bound host": lambda: self.bound(frame),
            "plain host": lambda: self.run(frame),
        }
        return {kind: median_ms(run, rounds) for kind, run in kinds.items()}


def _never_reopened(with_graphs: bool) -> Session:
    raise UnavailableError(f"a graph could not be {'kept' if with_graphs else 'recorded'}")


def _psnr(found: np.ndarray, expected: np.ndarray) -> float:
    error = np.square((found.astype(np.float64) - expected) / 255).mean()
    return float(-10 * np.log10(max(error, 1e-12)))


def median_ms(run: Callable[[], Any], rounds: int) -> float:
    """After four runs that warm up."""
    taken = []
    for turn in range(rounds + 4):
        started = time.perf_counter()
        run()
        if turn >= 4:
            taken.append(time.perf_counter() - started)
    return round(1e3 * statistics.median(taken), 3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All ways at all sizes. Raises `ModelError` where CUDA does not start."""
    if ORT_NAMES["cuda"] not in ort.get_available_providers():
        raise ModelError('this onnxruntime knows no CUDA: pip install "fastnst[gpu]" in an environment without others.')
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    memory = page_locked_memory(ort)
    frames = [test_picture(*size) for size in _COMPARED]
    cpu = cpu_session(options.style)
    expected = [(frame, np.asarray(cpu.run(None, {"image": frame})[0])) for frame in frames]
    paths = {"tf32": options.style, "f32": options.style} | ({"f16": options.half} if options.half else {})
    found: dict[str, Any] = {"gpu": gpu_name(), "onnxruntime": ort.__version__, "page_locked": memory is not None}
    for name, path in paths.items():
        try:
            way = Way(name, path, memory)
        except UnavailableError as error:
            raise ModelError(f"CUDA does not start here: {error}.") from error
        found[name] = way.precision(expected)
        for size in options.size:
            found[name][size] = way.times(test_picture(*parse_size(size)), options.rounds)
    return found


def main() -> int:
    """0; raises `FastNSTError` for what a user can get wrong."""
    parser = build_parser(__doc__)
    parser.add_argument("style", type=Path, help="a float32 .onnx file")
    parser.add_argument("half", type=Path, nargs="?", help="its half-precision copy")
    parser.add_argument("--size", nargs="+", default=["720p", "1080p", "4K"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    options = parser.parse_args()
    if options.json:
        check_output(options.json, overwrite=options.overwrite)
    write_json(measure(options), options.json)
    return 0


if __name__ == "__main__":
    run_command(main)
