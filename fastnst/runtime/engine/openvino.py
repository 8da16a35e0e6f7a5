"""OpenVINO on CPUs: bfloat16 where the processor has units for it (AMX, AVX-512 BF16), float32 elsewhere.

Its own package is taken if it is installed, else onnxruntime's plugin provider, which serves Intel's processors only.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.printable import printable
from fastnst.runtime.engine.machine import cpu_name
from fastnst.runtime.engine.openvino_plugin import PLUGIN, open_plugin
from fastnst.runtime.engine.quiet import quiet
from fastnst.runtime.engine.reference import Reference
from fastnst.runtime.engine.session import (
    EngineFailure,
    Session,
    UnavailableError,
    engine_name,
    first_line,
    warn_once,
)

_PACKAGE = "openvino"
# It keeps what it prepared for each picture size, three quarters of a megabyte, for thousands of sizes. A folder of
# photos may well have that many.
_MAX_KEPT_SIZES = 64
_MAX_REASON_CHARACTERS = 120


class OpenVINOSession:
    """A model compiled by OpenVINO, with the part of onnxruntime's session interface that fastnst uses.

    One request is kept, so that buffers are reused from frame to frame; calls take turns.

    Args:
        compile_model: makes OpenVINO's compiled model, of one input and one output; called anew now and then.
        reference: onnxruntime's session of the same file, which describes inputs and outputs.
    """

    def __init__(self, compile_model: Callable[[], Any], reference: Session) -> None:
        self._compile = compile_model
        self._request, self._sizes = compile_model().create_infer_request(), set[tuple[int, ...]]()
        self._lock = threading.Lock()
        self.get_inputs, self.get_outputs = reference.get_inputs, reference.get_outputs

    def run(self, _outputs: Sequence[str] | None, feeds: Mapping[str, NDArray[Any]], /) -> list[NDArray[Any]]:
        """The one output for the one input in `feeds`, in memory of its own. Raises `EngineFailure`."""
        (images,) = feeds.values()
        with self._lock:
            try:
                self._forget_sizes(images.shape)
                found = self._request.infer([np.ascontiguousarray(images)], share_inputs=True, share_outputs=False)
            except RuntimeError as error:
                raise EngineFailure(reason_of(error)) from error
            return [np.asarray(found[0])]

    def _forget_sizes(self, shape: tuple[int, ...]) -> None:
        """Begin again, for a seventh of a second, when too many sizes were seen."""
        self._sizes.add(shape)
        if len(self._sizes) > _MAX_KEPT_SIZES:
            self._request, self._sizes = self._compile().create_infer_request(), {shape}

    def get_providers(self) -> list[str]:
        """The engine that runs the model, as onnxruntime's sessions say it."""
        return ["OpenVINO"]


def open_openvino(ort: ModuleType, path: Path, threads: int, reference: Reference) -> tuple[Session, str]:
    """A session and its precision, `bf16` or `f32`. Raises `UnavailableError`."""
    failure = UnavailableError("OpenVINO is not installed")
    for package in (_PACKAGE, PLUGIN):
        version = _version(package)
        if version is None:
            continue
        try:
            if package == _PACKAGE:
                has_bf16, open_session = _open_package(path, threads, reference.session)
            else:
                has_bf16, open_session = open_plugin(ort, path, threads)
            return _precise_session(path, f"{package} {version}", has_bf16, open_session, reference)
        except UnavailableError as error:
            failure = error
    raise failure


def _precise_session(
    path: Path, engine: str, has_bf16: bool, open_session: Callable[[str], Session], reference: Reference
) -> tuple[Session, str]:
    """The fastest precision that is exact enough. Raises `UnavailableError` if the engine fails at its first pictures.

    Kernels are made when pictures come, so that float32 is tried, too.
    """
    if has_bf16:
        session = open_session("bf16")
        if reference.accepts((path,), f"{engine}, bf16, {cpu_name()}", session):
            return session, "bf16"
        warn_once(f"bf16 is not precise enough for {path.name}: f32 is used.")
    session = open_session("f32")
    if not reference.accepts((path,), f"{engine}, f32, {cpu_name()}", session):
        raise UnavailableError("its float32 is not that of onnxruntime")
    return session, "f32"


def openvino_version() -> str | None:
    """The installed OpenVINO, package and version; None without one."""
    found = {package: _version(package) for package in (_PACKAGE, PLUGIN)}
    return next((f"{package}-{version}" for package, version in found.items() if version is not None), None)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def import_openvino() -> Any:
    """OpenVINO's package without its telemetry.

    Its converter, which is imported with it, would leave an id in the home folder and tell Google Analytics of each
    start. Raises ImportError.
    """
    telemetry = "openvino_telemetry"
    unseen = telemetry not in sys.modules
    if unseen:
        sys.modules[telemetry] = None  # type: ignore[assignment]  # "cannot be imported": a stub takes its place
    try:
        import openvino
    finally:
        if unseen:
            del sys.modules[telemetry]
    return openvino


def _open_package(path: Path, threads: int, reference: Session) -> tuple[bool, Callable[[str], Session]]:
    """Find whether the CPU computes in bfloat16, and the function that opens the model in a precision."""
    try:
        with quiet():
            core = import_openvino().Core()
            has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            model = core.read_model(engine_name(path))
    except (ImportError, RuntimeError, OSError) as error:
        raise UnavailableError(reason_of(error)) from error

    def open_session(precision: str) -> Session:
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            with quiet():
                return OpenVINOSession(lambda: core.compile_model(model, "CPU", settings), reference)
        except RuntimeError as error:
            raise UnavailableError(reason_of(error)) from error

    return has_bf16, open_session


def reason_of(error: Exception) -> str:
    """The line of OpenVINO's error that says what happened; those before it say where in its source."""
    lines = [line.strip() for line in str(error).splitlines()]
    meaningful = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return printable(meaningful[-1], _MAX_REASON_CHARACTERS).rstrip(" .:;") if meaningful else first_line(error)
