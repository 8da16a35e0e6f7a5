"""What all execution providers need to open a session: quiet options, one kind of refusal, one line for the user."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

log = logging.getLogger("fastnst.runtime.engine.providers")

QUIET = 4  # onnxruntime's "fatal": what matters comes as an exception
ORT_NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}


class UnavailableError(Exception):
    """A provider does not start here; the text says why."""


class EngineFailure(RuntimeError):  # noqa: N818 - told to users as ModelError or ImageError
    """An engine that is not onnxruntime failed while it ran."""


@functools.cache  # several models in one run meet the same obstacle
def warn_once(message: str) -> None:
    """One line for the user, once in a process."""
    log.warning(message)


def is_engine_error(error: Exception) -> bool:
    """Whether an engine raised it; onnxruntime's exceptions share no base below Exception."""
    return isinstance(error, EngineFailure) or type(error).__module__.startswith("onnxruntime")


def first_line(error: Exception) -> str:
    """The beginning of an error's text; onnxruntime's run over many lines."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


@contextmanager
def unavailable_on_failure() -> Iterator[None]:
    """Turn engines' exceptions into `UnavailableError`."""
    try:
        yield
    except Exception as error:
        if is_engine_error(error):
            raise UnavailableError(first_line(error)) from error
        raise


def session_options(ort: ModuleType, threads: int) -> Any:
    """Quiet options with this many CPU threads."""
    options = ort.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads
    # By default idle threads turn in a loop, which takes the cores from the decoder, the encoder and everyone else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def check_started(session: Any, provider: str) -> Any:
    """The session itself; raises `UnavailableError` if onnxruntime quietly went on without the provider."""
    if session.get_providers()[0] != ORT_NAMES[provider]:
        raise UnavailableError("it did not start")
    return session


def open_session(
    ort: ModuleType, path: Path, threads: int, provider: str, providers: list[tuple[str, dict[str, Any]]]
) -> Any:
    """A session on the first of `providers`, the others and the CPU taking what it cannot do."""
    wanted = [(ORT_NAMES[kind], options) for kind, options in providers]
    with unavailable_on_failure():
        session = ort.InferenceSession(str(path), session_options(ort, threads), providers=[*wanted, ORT_NAMES["cpu"]])
    return check_started(session, provider)
