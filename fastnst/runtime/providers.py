"""Choose the execution provider that really works, and check reduced precision before it is used."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fastnst.download import cache_path
from fastnst.errors import ConfigError, MissingDependencyError, ModelError, suggest

log = logging.getLogger(__name__)

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "openvino")
_LEAST_PSNR = 40.0  # dB to the float32 result; below it reduced precision could be seen
_PLUGIN_NAME = "fastnst_openvino"
_QUIET = 4  # onnxruntime's "fatal": what matters comes as an exception

_ORT_NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# EXHAUSTIVE, the default, costs up to a second for every new picture size.
_CUDA_OPTIONS: dict[str, Any] = {"cudnn_conv_algo_search": "HEURISTIC"}
_REMEDIES = {
    "cuda": 'it needs an NVIDIA GPU and pip install "fastnst[gpu]"',
    "tensorrt": 'it needs an NVIDIA GPU, pip install "fastnst[gpu]" and TensorRT 10 (pip install "tensorrt-cu12<11")',
    "openvino": 'it needs pip install "fastnst[fastcpu]"',
}


@dataclass
class Engine:
    """An open session, what runs it (`cpu`, `cuda`, …) and in which precision (`f32`, `bf16`, `f16`)."""

    session: Any
    provider: str
    precision: str


def open_engine(path: Path, provider: str = "auto", threads: int | None = None) -> Engine:
    """Open a model on the provider asked for, or on the fastest that works.

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
        try:
            return _OPENERS[candidate](ort, path, threads, reference)
        except _UnavailableError as error:
            if provider != "auto":
                reason = f"the provider '{provider}' cannot be used ({error})"
                raise ConfigError(f"{reason}: {_REMEDIES[provider]}.") from error
            _warn_once(f"{candidate} is not used: {error}.")
    return reference


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module, made quiet. Raises `MissingDependencyError`, naming the extras, without it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            'no onnxruntime is installed: pip install "fastnst[cpu]", or "fastnst[fastcpu]" for Intel CPUs,'
            ' or "fastnst[gpu]" for NVIDIA GPUs.'
        ) from error
    onnxruntime.set_default_logger_severity(_QUIET)
    return onnxruntime  # type: ignore[no-any-return]


def usable_cores() -> int:
    """The CPU cores that this process may use: its affinity, bounded by the container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or no limit ("max")
        return cores


@functools.cache  # several models in one run meet the same obstacle
def _warn_once(message: str) -> None:
    log.warning(message)


class _UnavailableError(Exception):
    """A provider does not start here; the text says why."""


def _plausible(ort: ModuleType) -> list[str]:
    """The providers worth trying, the fastest first. onnxruntime lists CUDA even where there is no GPU."""
    listed = ort.get_available_providers()
    has_gpu = Path("/dev/nvidiactl").exists() or os.name == "nt"
    candidates = [name for name in ("tensorrt", "cuda") if has_gpu and _ORT_NAMES[name] in listed]
    if _plugin_version() is not None:
        candidates.append("openvino")
    return candidates


def _options(ort: ModuleType, threads: int) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    # By default idle threads turn in a loop, which takes the cores from the decoder, the encoder and everyone else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _cpu_session(ort: ModuleType, path: Path, threads: int) -> Any:
    try:
        return ort.InferenceSession(str(path), _options(ort, threads), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base below Exception
        if type(error).__module__.startswith("onnxruntime"):
            raise ModelError(f"{path} is not an ONNX model, or it is damaged or cut short.") from error
        raise


def _open_cuda(ort: ModuleType, path: Path, threads: int, _reference: Engine) -> Engine:
    return _open_listed(ort, path, threads, "cuda", [("cuda", _CUDA_OPTIONS)])


def _open_tensorrt(ort: ModuleType, path: Path, threads: int, _reference: Engine) -> Engine:
    engine_cache: dict[str, Any] = {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache_path() / "tensorrt"),
        "trt_timing_cache_enable": True,
    }
    providers = [("tensorrt", engine_cache), ("cuda", _CUDA_OPTIONS)]
    return _open_listed(ort, path, threads, "tensorrt", providers)


def _open_listed(
    ort: ModuleType, path: Path, threads: int, name: str, providers: list[tuple[str, dict[str, Any]]]
) -> Engine:
    if _ORT_NAMES[name] not in ort.get_available_providers():
        raise _UnavailableError("the installed onnxruntime was built without it")
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds the CUDA libraries that pip installed
    wanted = [(_ORT_NAMES[kind], options) for kind, options in providers]
    try:
        session = ort.InferenceSession(str(path), _options(ort, threads), providers=[*wanted, "CPUExecutionProvider"])
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            raise _UnavailableError(str(error).splitlines()[0][:120]) from error
        raise
    if session.get_providers()[0] != _ORT_NAMES[name]:
        raise _UnavailableError("it did not start")
    half = dict(session.get_modelmeta().custom_metadata_map).get("fastnst.precision") == "fp16"
    return Engine(session, name, "f16" if half else "f32")


def _open_openvino(ort: ModuleType, path: Path, threads: int, reference: Engine) -> Engine:
    device = _openvino_device(ort)
    reduced = "BF16" in str(device.ep_metadata.get("OPTIMIZATION_CAPABILITIES", ""))
    if reduced:
        session = _openvino_session(ort, path, threads, device, "bf16")
        if _precise_enough(path, session, reference.session):
            return Engine(session, "openvino", "bf16")
        log.warning("bf16 is not precise enough for this model: f32 is used.")
    return Engine(_openvino_session(ort, path, threads, device, "f32"), "openvino", "f32")


def _openvino_device(ort: ModuleType) -> Any:
    try:
        import onnxruntime_ep_openvino as plugin
    except ImportError as error:
        raise _UnavailableError("the plugin onnxruntime-ep-openvino is not installed") from error

    def devices() -> list[Any]:
        found = [device for device in ort.get_ep_devices() if device.ep_name == plugin.get_ep_name()]
        return [device for device in found if device.ep_metadata.get("ov_device") == "CPU"]

    try:
        if not devices():
            _register_plugin(ort, plugin.get_library_path())
        return devices()[0]
    except IndexError:
        raise _UnavailableError("it finds no CPU device") from None
    except (RuntimeError, OSError, AttributeError) as error:
        raise _UnavailableError(str(error).splitlines()[0][:120]) from error
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            raise _UnavailableError(str(error).splitlines()[0][:120]) from error
        raise


@functools.cache  # registering twice in one process is an error
def _register_plugin(ort: ModuleType, library: str) -> None:
    ort.register_execution_provider_library(_PLUGIN_NAME, library)


def _openvino_session(ort: ModuleType, path: Path, threads: int, device: Any, precision: str) -> Any:
    settings = {"CPU": {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": str(threads)}}
    options = _options(ort, threads)
    options.add_provider_for_devices([device], {"load_config": json.dumps(settings)})
    try:
        session = ort.InferenceSession(str(path), options)
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            raise _UnavailableError(str(error).splitlines()[0][:120]) from error
        raise
    if session.get_providers()[0] != _ORT_NAMES["openvino"]:
        raise _UnavailableError("it did not start")
    return session


def _precise_enough(path: Path, session: Any, reference: Any) -> bool:
    """Whether reduced precision stays within 40 dB of float32; the verdict is kept in the user's cache."""
    key = hashlib.sha256(path.read_bytes()).hexdigest()[:24]
    verdicts = cache_path() / "precision" / f"{key}-{_plugin_version()}.json"
    try:
        return bool(json.loads(verdicts.read_text())["psnr"] >= _LEAST_PSNR)
    except (OSError, ValueError, KeyError):
        pass  # not judged yet
    psnr = peak_signal_to_noise(session, reference)
    try:
        verdicts.parent.mkdir(parents=True, exist_ok=True)
        verdicts.write_text(json.dumps({"psnr": psnr}))
    except OSError as error:
        log.debug("the verdict is not kept: %s", error)
    return psnr >= _LEAST_PSNR


def peak_signal_to_noise(session: Any, reference: Any) -> float:
    """PSNR in dB between two sessions of one model, on a picture with shading, edges and noise.

    The model takes bytes `[N, H, W, 3]` or planes `[N, 3, H, W]` in [−1, 1]; it gives bytes, or floats in [0, 1].
    """
    y, x = np.mgrid[0:256, 0:384] / 64
    waves = [np.sin(x + phase) + np.cos(y * (1 + phase / 4)) + (np.floor(x + y) % 2) for phase in range(3)]
    noise = np.random.default_rng(0).normal(0, 0.15, (256, 384, 3))
    image = np.clip((np.stack(waves, axis=-1) + noise + 2) * 52, 0, 255).astype(np.uint8)[None]
    taken = reference.get_inputs()[0]
    if taken.type != "tensor(uint8)":
        image = np.ascontiguousarray(image.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
    found, expected = (one.run(None, {taken.name: image})[0] for one in (session, reference))
    peak = 255.0 if expected.dtype == np.uint8 else 1.0
    error = float(np.square((found.astype(np.float64) - expected) / peak).mean())
    return -10 * float(np.log10(max(error, 1e-12)))


def _plugin_version() -> str | None:
    try:
        return metadata.version("onnxruntime-ep-openvino")
    except metadata.PackageNotFoundError:
        return None


_OPENERS: dict[str, Callable[[ModuleType, Path, int, Engine], Engine]] = {
    "cuda": _open_cuda,
    "tensorrt": _open_tensorrt,
    "openvino": _open_openvino,
}
