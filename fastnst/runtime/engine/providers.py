"""Choose the execution provider that really works."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from fastnst.errors import ConfigError, MissingDependencyError, ModelError, suggest
from fastnst.runtime.engine.contract import ResultContract
from fastnst.runtime.engine.cuda import open_gpu
from fastnst.runtime.engine.io_binding import BoundSession
from fastnst.runtime.engine.openvino import open_openvino, openvino_version
from fastnst.runtime.engine.page_locked import cuda_major
from fastnst.runtime.engine.quiet import quiet
from fastnst.runtime.engine.reference import Reference
from fastnst.runtime.engine.self_contained import check_self_contained
from fastnst.runtime.engine.session import (
    ORT_NAMES,
    QUIET,
    EngineFailure,
    Session,
    UnavailableError,
    as_user_errors,
    engine_calls,
    engine_name,
    run_once,
    session_options,
    warn_once,
)

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "openvino")
_REMEDIES = {
    "cuda": 'it needs an NVIDIA GPU and pip install "fastnst[gpu]"',
    "tensorrt": 'it needs an NVIDIA GPU, pip install "fastnst[gpu]" and pip install "tensorrt-cu{cuda}<11"',
    "openvino": 'it needs pip install "fastnst[fastcpu]"',
}
_TENSORRT = "nvinfer_10.dll" if sys.platform == "win32" else "libnvinfer.so.10"  # what onnxruntime loads


@dataclass
class Engine:
    """An open model file, what runs it (`cpu`, `cuda`, …) and in which precision (`f32`, `tf32`, `bf16`, `f16`).

    `bound` runs the session with buffers that stay on the GPU, where there is one and it was asked for.
    """

    path: Path
    contract: ResultContract
    session: Session
    provider: str
    precision: str
    bound: BoundSession | None = None

    def run(self, images: NDArray[Any]) -> NDArray[Any]:
        """One input to the one result, which is checked against the contract.

        Raises `ModelError` if the model fails or breaks its contract, `ModelMemoryError` if memory does not suffice.
        """
        with as_user_errors(self.path):
            found = self.bound(images) if self.bound is not None else run_once(self.session, images)
            return self.contract.checked(found, images, self.path)

    def resident(self, images: NDArray[Any]) -> Callable[[], object]:
        """Runs these images without transfers where buffers stay on a device; elsewhere as the bare session does."""
        if self.bound is not None:
            return self.bound.resident(images)
        return functools.partial(run_once, self.session, images)


def open_engine(
    path: Path,
    provider: str = "auto",
    threads: int | None = None,
    *,
    contract: ResultContract,
    check: Callable[[Session, Path], object],
    bound: bool = False,
    is_half: bool = False,
    unsuited: Sequence[str] = (),
) -> Engine:
    """Open a model on the provider asked for, or on the fastest that works.

    Args:
        path: the model.
        provider: one of `PROVIDERS`.
        threads: CPU threads, at most the cores that this process may use; None takes all of these.
        contract: what the model's results have to be.
        check: raises `ModelError` if a session does not take and give what is wanted; called before anything is run.
        bound: keep buffers on a GPU; for models of one uint8 input and one output of its shape, run by `Engine.run`.
        is_half: the model says that it is in half precision.
        unsuited: providers that `auto` leaves out.

    Raises `ConfigError` for a provider that is unknown or cannot be had, `ModelError` for a file that is not a model,
    one that wants other files, or one that breaks its contract.
    """
    if provider not in PROVIDERS:
        raise ConfigError(
            f"unknown provider '{provider}'.{suggest(provider, PROVIDERS)} Choose one of: {', '.join(PROVIDERS)}."
        )
    if threads is not None and threads < 1:
        raise ConfigError(f"threads must be at least 1, not {threads}.")
    ort = import_onnxruntime()
    check_self_contained(path)
    # More threads than cores only take turns, and thousands of them stall the machine.
    threads = min(threads or usable_cores(), usable_cores())
    reference = Reference(_cpu_session(ort, path, threads), path, contract)  # proves that the file is a model
    check(reference.session, path)
    on_cpu = Engine(path, contract, reference.session, "cpu", "f32")
    if provider == "cpu":
        return on_cpu
    for candidate in [provider] if provider != "auto" else _plausible(ort):
        if provider == "auto" and candidate in unsuited:
            continue
        try:
            if candidate == "openvino":
                session, precision = open_openvino(ort, path, threads, reference)
                return Engine(path, contract, session, candidate, precision)
            session, precision, runner = open_gpu(
                ort, path, threads, candidate, reference, bound=bound, is_half=is_half
            )
            return Engine(path, contract, session, candidate, precision, runner)
        except UnavailableError as error:
            if provider != "auto":
                remedy = _REMEDIES[provider].format(cuda=cuda_major(ort))
                raise ConfigError(f"the provider '{provider}' cannot be used ({error}): {remedy}.") from error
            warn_once(f"{candidate} is not used: {error}.")
    return on_cpu


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module, made quiet, and kept from telling of itself.

    Raises `MissingDependencyError`, naming the extras, without it.
    """
    # Else version 1.32 on Linux keeps an id of the machine in the user's cache, and tells its makers of each session.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        with quiet():  # it reports graphics cards that it does not find
            import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            'no onnxruntime is installed: pip install "fastnst[cpu]", or "fastnst[fastcpu]" for recent CPUs,'
            ' or "fastnst[gpu]" for NVIDIA GPUs.'
        ) from error
    onnxruntime.set_default_logger_severity(QUIET)
    onnxruntime.disable_telemetry_events()  # on Windows
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
    has_gpu = os.path.exists("/dev/nvidiactl") or os.name == "nt"
    candidates = [name for name in ("tensorrt", "cuda") if has_gpu and ORT_NAMES[name] in listed]
    if "tensorrt" in candidates and not _has_library(_TENSORRT):
        candidates.remove("tensorrt")  # every onnxruntime for GPUs lists it
    if openvino_version() is not None:
        candidates.append("openvino")
    return candidates


def _has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _cpu_session(ort: ModuleType, path: Path, threads: int) -> Session:
    try:
        with quiet(), engine_calls():
            session: Session = ort.InferenceSession(
                engine_name(path), session_options(ort, threads), providers=["CPUExecutionProvider"], enable_fallback=0
            )
            for value in (*session.get_inputs(), *session.get_outputs()):
                _ = value.name, value.shape  # texts of the file, which fail to be read only now
            return session
    except EngineFailure as error:
        raise ModelError(f"{path} is not an ONNX model, or it is damaged or cut short.") from error
