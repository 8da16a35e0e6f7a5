"""NVIDIA GPUs: the CUDA and TensorRT providers, the precision they may take, and how frames get there and back.

After onnxruntime's documentation of the two providers. Precisions are tried from the fastest to the safest; each has to
agree with the CPU's float32. (A model that is in half precision itself has no safer way.)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fastnst.cache import cache_path
from fastnst.runtime.engine.io_binding import BoundSession
from fastnst.runtime.engine.machine import gpu_name
from fastnst.runtime.engine.page_locked import page_locked_memory
from fastnst.runtime.engine.precision import HALF_SUFFIX, content_key
from fastnst.runtime.engine.quiet import quiet
from fastnst.runtime.engine.reference import Reference
from fastnst.runtime.engine.session import ORT_NAMES, Session, UnavailableError, open_session, warn_once

# EXHAUSTIVE, the default, costs up to a second for every new picture size.
_CUDA: dict[str, Any] = {"cudnn_conv_algo_search": "HEURISTIC"}
_EXACT: dict[str, Any] = {**_CUDA, "use_tf32": 0}


@dataclass(frozen=True)
class Attempt:
    """One way to run a model: the file, what it is computed in, and the providers with their options."""

    path: Path
    precision: str
    providers: list[tuple[str, dict[str, Any]]]


def open_gpu(
    ort: ModuleType, path: Path, threads: int, provider: str, reference: Reference, *, bound: bool, is_half: bool
) -> tuple[Session, str, BoundSession | None]:
    """A session on `cuda` or `tensorrt`, its precision, and with `bound` what runs it with kept buffers.

    Args:
        ort: the onnxruntime module.
        path: the model.
        threads: of the CPU, for what the GPU cannot do.
        provider: `cuda` or `tensorrt`.
        reference: the same model in float32 on the CPU.
        bound: keep buffers on the GPU.
        is_half: the model itself is in half precision.

    Raises `UnavailableError`.
    """
    if ORT_NAMES[provider] not in ort.get_available_providers():
        raise UnavailableError("the installed onnxruntime was built without it")
    if hasattr(ort, "preload_dlls"):
        with quiet():
            ort.preload_dlls()  # finds the CUDA libraries that pip installed
    ways = [Attempt(path, "f16", _providers(path, provider, _CUDA))] if is_half else attempts(path, provider)
    for way in ways:
        engine = f"{provider}, {way.precision}, onnxruntime {ort.__version__}, {gpu_name()}"
        try:
            session = open_session(ort, way.path, threads, provider, way.providers)
            precise = reference.accepts((path, way.path), engine, session)
        except UnavailableError as error:
            if way.path == path:
                raise
            warn_once(f"{way.path.name} is not used: {error}.")  # a copy is no more than a chance
            continue
        if precise or is_half:
            break
        if way is ways[-1]:
            raise UnavailableError("its float32 is not that of the CPU")
        warn_once(f"{way.precision} is not precise enough for {way.path.name} on {provider}: another one is used.")
    return session, way.precision, _bind(ort, session, threads, provider, way) if bound else None


def attempts(path: Path, provider: str) -> list[Attempt]:
    """The precisions of a float32 model, the fastest first."""
    full = [
        Attempt(path, "tf32", _providers(path, provider, _CUDA)),
        Attempt(path, "f32", _providers(path, provider, _EXACT)),
    ]
    if provider == "tensorrt":
        return [Attempt(path, "f16", _providers(path, provider, _CUDA, half=True)), *full]
    copy = path.with_suffix(HALF_SUFFIX)
    return [Attempt(copy, "f16", _providers(copy, provider, _CUDA)), *full] if os.path.isfile(copy) else full


def _providers(
    path: Path, provider: str, cuda: dict[str, Any], *, half: bool = False
) -> list[tuple[str, dict[str, Any]]]:
    if provider == "cuda":
        return [("cuda", cuda)]
    # Building an engine takes minutes. Every model and precision has a folder of its own: onnxruntime names engines
    # after the model file and its nodes, not after weights or precision.
    precision = "f16" if half else "tf32" if cuda is _CUDA else "f32"
    folder = cache_path() / "tensorrt" / content_key(path) / precision
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"its engines cannot be kept in {folder} ({error.strerror})") from error
    tensorrt: dict[str, Any] = {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(folder),
        "trt_fp16_enable": half,
    }
    return [("tensorrt", tensorrt), ("cuda", cuda)]


def _bind(ort: ModuleType, session: Session, threads: int, provider: str, way: Attempt) -> BoundSession:
    """Kept buffers, and with CUDA a recorded graph for each size that comes again."""
    memory = page_locked_memory(ort)
    if provider != "cuda":
        return BoundSession(ort, session, "cuda", memory=memory)
    graphs = [(kind, {**options, "enable_cuda_graph": 1}) for kind, options in way.providers]

    def reopen(with_graphs: bool) -> Session:
        return open_session(ort, way.path, threads, provider, graphs if with_graphs else way.providers)

    try:
        recording = reopen(True)
    except UnavailableError as error:
        warn_once(f"CUDA graphs are not used: {error}.")
        return BoundSession(ort, session, "cuda", memory=memory)
    return BoundSession(ort, recording, "cuda", reopen, memory)
