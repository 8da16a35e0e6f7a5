"""The OpenVINO plugin provider: bfloat16 on CPUs with AMX, float32 elsewhere."""

from __future__ import annotations

import functools
import json
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from fastnst.runtime.precision import is_precise
from fastnst.runtime.sessions import (
    UnavailableError,
    check_started,
    first_line,
    session_options,
    unavailable_on_failure,
    warn_once,
)

_PLUGIN_NAME = "fastnst_openvino"


def plugin_version() -> str | None:
    """The installed plugin's version, or None."""
    try:
        return metadata.version("onnxruntime-ep-openvino")
    except metadata.PackageNotFoundError:
        return None


def open_openvino(ort: ModuleType, path: Path, threads: int, reference: Any) -> tuple[Any, str]:
    """A session and its precision, `bf16` or `f32`. Raises `UnavailableError`."""
    device = _device(ort)
    if "BF16" in str(device.ep_metadata.get("OPTIMIZATION_CAPABILITIES", "")):
        session = _session(ort, path, threads, device, "bf16")
        if is_precise((path,), str(plugin_version()), session, reference):
            return session, "bf16"
        warn_once(f"bf16 is not precise enough for {path.name}: f32 is used.")
    return _session(ort, path, threads, device, "f32"), "f32"


def _device(ort: ModuleType) -> Any:
    try:
        import onnxruntime_ep_openvino as plugin
    except ImportError as error:
        raise UnavailableError("the plugin onnxruntime-ep-openvino is not installed") from error

    def devices() -> list[Any]:
        found = [device for device in ort.get_ep_devices() if device.ep_name == plugin.get_ep_name()]
        return [device for device in found if device.ep_metadata.get("ov_device") == "CPU"]

    try:
        with unavailable_on_failure():
            if not devices():
                _register_plugin(ort, plugin.get_library_path())
            return devices()[0]
    except IndexError:
        raise UnavailableError("it finds no CPU device") from None
    except (RuntimeError, OSError, AttributeError) as error:
        raise UnavailableError(first_line(error)) from error


@functools.cache  # registering twice in one process is an error
def _register_plugin(ort: ModuleType, library: str) -> None:
    ort.register_execution_provider_library(_PLUGIN_NAME, library)


def _session(ort: ModuleType, path: Path, threads: int, device: Any, precision: str) -> Any:
    settings = {"CPU": {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": str(threads)}}
    options = session_options(ort, threads)
    options.add_provider_for_devices([device], {"load_config": json.dumps(settings)})
    with unavailable_on_failure():
        session = ort.InferenceSession(str(path), options)
    return check_started(session, "openvino")
