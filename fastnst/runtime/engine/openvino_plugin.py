"""OpenVINO as a plugin provider of onnxruntime."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from fastnst.runtime.engine.quiet import quiet
from fastnst.runtime.engine.session import (
    Session,
    UnavailableError,
    check_started,
    engine_name,
    first_line,
    session_options,
    unavailable_on_failure,
)

PLUGIN = "onnxruntime-ep-openvino"  # the package
_PLUGIN_NAME = "fastnst_openvino"


def open_plugin(ort: ModuleType, path: Path, threads: int) -> tuple[bool, Callable[[str], Session]]:
    """Find whether its CPU device computes in bfloat16, and what opens the model in a precision, `bf16` or `f32`.

    Raises `UnavailableError`, both by itself and in what it returns.
    """
    device = _device(ort)
    has_bf16 = "BF16" in str(device.ep_metadata.get("OPTIMIZATION_CAPABILITIES", ""))

    def open_session(precision: str) -> Session:
        settings = {"CPU": {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": str(threads)}}
        options = session_options(ort, threads)
        options.add_provider_for_devices([device], {"load_config": json.dumps(settings)})
        with unavailable_on_failure(), quiet():
            session = ort.InferenceSession(engine_name(path), options)
        return check_started(session, "openvino")

    return has_bf16, open_session


def _device(ort: ModuleType) -> Any:
    try:
        import onnxruntime_ep_openvino as plugin
    except ImportError as error:
        raise UnavailableError(f"the plugin {PLUGIN} is not installed") from error

    def devices() -> list[Any]:
        found = [device for device in ort.get_ep_devices() if device.ep_name == plugin.get_ep_name()]
        return [device for device in found if device.ep_metadata.get("ov_device") == "CPU"]

    try:
        with unavailable_on_failure(), quiet():
            if not devices():
                _register_plugin(ort, plugin.get_library_path())
            return devices()[0]
    except IndexError:
        raise UnavailableError("the plugin finds no CPU device: pip install openvino has one") from None
    except (RuntimeError, OSError, AttributeError) as error:
        raise UnavailableError(first_line(error)) from error


@functools.cache  # registering twice in one process is an error
def _register_plugin(ort: ModuleType, library: str) -> None:
    ort.register_execution_provider_library(_PLUGIN_NAME, library)
