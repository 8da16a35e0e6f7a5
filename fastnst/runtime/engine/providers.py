"""Choose the execution provider that really works."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fastnst.errors import ConfigError, MissingDependencyError, ModelError, suggest
from fastnst.runtime.engine.cuda import open_gpu
from fastnst.runtime.engine.io_binding import BoundSession
from fastnst.runtime.engine.openvino import open_openvino, openvino_version
from fastnst.runtime.engine.session import (
    ORT_NAMES,
    QUIET,
    UnavailableError,
    is_engine_error,
    session_options,
    warn_once,
)

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "openvino")
_REMEDIES = {
    "cuda": 'it needs an NVIDIA GPU and pip install "fastnst[gpu]"',
    "tensorrt": 'it needs an NVIDIA GPU, pip install "fastnst[gpu]" and TensorRT 10 (pip install "tensorrt-cu12<11")',
    "openvino": 'it needs pip install "fastnst[fastcpu]"',
}


@dataclass
class Engine:
    """An open session, what runs it (`cpu`, `cuda`, …) and in which precision (`f32`, `tf32`, `bf16`, `f16`).

    `bound` runs the session with buffers that stay on the GPU, where there is one and it was asked for.
    """

    session: Any
    provider: str
    precision: str
    bound: BoundSession | None = None

    def run(self, images: np.ndarray) -> np.ndarray:
        """One uint8 input to the one output of the same shape."""
        if self.bound is not None:
            return self.bound(images)
        return self._plain(images)

    def resident(self, images: np.ndarray) -> Callable[[], object]:
        """Runs these images without transfers where buffers stay on a device; elsewhere as the bare session does."""
        return self.bound.resident(images) if self.bound is not None else functools.partial(self._plain, images)

    def _plain(self, images: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.session.run(None, {self.session.get_inputs()[0].name: images})[0]
        return found


def open_engine(
    path: Path,
    provider: str = "auto",
    threads: int | None = None,
    *,
    bound: bool = False,
    unsuited: Sequence[str] = (),
) -> Engine:
    """Open a model on the provider asked for, or on the fastest that works.

    Args:
        path: the model.
        provider: one of `PROVIDERS`.
        threads: CPU threads, at most the cores that this process may use; None takes all of these.
        bound: keep buffers on a GPU; for models of one uint8 input and one output of its shape, run by `Engine.run`.
        unsuited: providers that `auto` leaves out.

    Raises `ConfigError` for a provider that is unknown or cannot be had, `ModelError` for a file that is no model.
    """
    if provider not in PROVIDERS:
        raise ConfigError(
            f"unknown provider '{provider}'.{suggest(provider, PROVIDERS)} Choose one of: {', '.join(PROVIDERS)}."
        )
    if threads is not None and threads < 1:
        raise ConfigError(f"threads must be at least 1, not {threads}.")
    ort = import_onnxruntime()
    # More threads than cores only take turns, and thousands of them stall the machine.
    threads = min(threads or usable_cores(), usable_cores())
    reference = Engine(_cpu_session(ort, path, threads), "cpu", "f32")  # proves that the file is a model
    if provider == "cpu":
        return reference
    candidates = [provider] if provider != "auto" else _plausible(ort)
    for candidate in candidates:
        if provider == "auto" and candidate in unsuited:
            continue
        try:
            return _open(ort, path, threads, candidate, reference, bound)
        except UnavailableError as error:
            if provider != "auto":
                reason = f"the provider '{provider}' cannot be used ({error})"
                raise ConfigError(f"{reason}: {_REMEDIES[provider]}.") from error
            warn_once(f"{candidate} is not used: {error}.")
    return reference


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module, made quiet. Raises `MissingDependencyError`, naming the extras, without it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            'no onnxruntime is installed: pip install "fastnst[cpu]", or "fastnst[fastcpu]" for recent CPUs,'
            ' or "fastnst[gpu]" for NVIDIA GPUs.'
        ) from error
    onnxruntime.set_default_logger_severity(QUIET)
    return onnxruntime  # type: ignore[no-any-return]


def usable_cores() -> int:
    """The CPU cores that this process may use: its affinity, bounded by the container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or no limit ("max")
        return cores


def _plausible(ort: ModuleType) -> list[str]:
    """The providers worth trying, the fastest first. onnxruntime lists CUDA even where there is no GPU."""
    listed = ort.get_available_providers()
    has_gpu = Path("/dev/nvidiactl").exists() or os.name == "nt"
    candidates = [name for name in ("tensorrt", "cuda") if has_gpu and ORT_NAMES[name] in listed]
    if openvino_version() is not None:
        candidates.append("openvino")
    return candidates


def _cpu_session(ort: ModuleType, path: Path, threads: int) -> Any:
    try:
        return ort.InferenceSession(str(path), session_options(ort, threads), providers=["CPUExecutionProvider"])
    except Exception as error:
        if is_engine_error(error):
            raise ModelError(f"{path} is not an ONNX model, or it is damaged or cut short.") from error
        raise


def _open(ort: ModuleType, path: Path, threads: int, provider: str, reference: Engine, bound: bool) -> Engine:
    if provider == "openvino":
        session, precision = open_openvino(ort, path, threads, reference.session)
        return Engine(session, provider, precision)
    session, precision, runner = open_gpu(ort, path, threads, provider, reference.session, bound=bound)
    return Engine(session, provider, precision, runner)
