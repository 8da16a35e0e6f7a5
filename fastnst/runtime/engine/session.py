"""Shared parts of all execution providers' sessions: quiet options, one kind of refusal, one line for the user."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from numpy.typing import NDArray

from fastnst.errors import ModelError
from fastnst.printable import printable
from fastnst.runtime.engine.quiet import quiet

log = logging.getLogger("fastnst.runtime.engine.providers")

QUIET = 4  # onnxruntime's "fatal": what matters comes as an exception
_MAX_REASON_CHARACTERS = 120
ORT_NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}


class TensorInfo(Protocol):
    """Description of a session's input or output; free extents are names or None."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> list[int | str | None]: ...


class Session(Protocol):
    """An open model: the part of onnxruntime's `InferenceSession` that fastnst uses of every engine."""

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, NDArray[Any]], /
    ) -> Sequence[NDArray[Any]]:
        """The outputs, all of them for None, in memory of their own."""
        ...

    def get_inputs(self) -> Sequence[TensorInfo]:
        """Descriptions of its inputs."""
        ...

    def get_outputs(self) -> Sequence[TensorInfo]:
        """Descriptions of its outputs."""
        ...

    def get_providers(self) -> Sequence[str]:
        """The providers that run it, the most important first, in onnxruntime's names."""
        ...


class UnavailableError(Exception):
    """A provider does not start here; the text says why."""


class EngineFailure(RuntimeError):  # noqa: N818 - reported to users as ModelError or ImageError
    """An engine failed while it ran."""


class ModelMemoryError(ModelError):
    """The memory does not suffice to run a model on a picture of this size."""


@functools.cache  # several models in one run meet the same obstacle
def warn_once(message: str) -> None:
    """One line for the user, once in a process."""
    log.warning(message)


def is_engine_error(error: BaseException) -> bool:
    """True if an engine raised it; onnxruntime's exceptions share no base below Exception."""
    return isinstance(error, EngineFailure) or type(error).__module__.startswith("onnxruntime")


def first_line(error: BaseException) -> str:
    """The beginning of an error's text; onnxruntime's run over many lines."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return printable(line, _MAX_REASON_CHARACTERS).rstrip(" .:;")


@contextmanager
def unavailable_on_failure() -> Iterator[None]:
    """Turn engines' exceptions into `UnavailableError`."""
    try:
        yield
    except Exception as error:
        if is_engine_error(error):
            raise UnavailableError(first_line(error)) from error
        raise


@contextmanager
def engine_calls() -> Iterator[None]:
    """Turn whatever an engine raises into `EngineFailure`; for blocks that call nothing but an engine.

    onnxruntime's bindings raise plain RuntimeErrors from `run_with_iobinding` and from failing CUDA calls, and
    UnicodeDecodeErrors for names and messages that hold bytes of a damaged file.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, RuntimeError | MemoryError | UnicodeDecodeError) or is_engine_error(error):
            raise EngineFailure(str(error) or type(error).__name__) from error
        raise


@contextmanager
def as_user_errors(path: Path) -> Iterator[None]:
    """Turn an engine's failures while it runs a model into `ModelMemoryError` and `ModelError`."""
    try:
        with engine_calls():
            yield
    except EngineFailure as error:
        text = str(error).lower()
        if isinstance(error.__cause__, MemoryError) or "alloc" in text or "out of memory" in text:
            raise ModelMemoryError(
                f"the memory does not suffice for {path} on a picture of this size: take a smaller one (--max-size)."
            ) from error
        raise ModelError(f"{path} failed while it ran ({first_line(error)}).") from error


def engine_name(path: Path) -> str:
    """A model's path as engines take it: as text whose UTF-8 is the file's name, whatever the locale.

    Raises `UnicodeDecodeError` for a name that is not UTF-8.
    """
    return os.fsencode(path).decode("utf-8")


def run_once(session: Session, images: NDArray[Any]) -> object:
    """The first output for the only input."""
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def session_options(ort: ModuleType, threads: int) -> Any:
    """Quiet options with this many CPU threads."""
    options = ort.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads
    # By default idle threads turn in a loop, which takes the cores from the decoder, the encoder and everyone else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def check_started(session: Session, provider: str) -> Session:
    """The session itself; raises `UnavailableError` if onnxruntime quietly went on without the provider."""
    if session.get_providers()[0] != ORT_NAMES[provider]:
        raise UnavailableError("it did not start")
    return session


def open_session(
    ort: ModuleType, path: Path, threads: int, provider: str, providers: list[tuple[str, dict[str, Any]]]
) -> Session:
    """A session on the first of `providers`, the others and the CPU taking what it cannot do.

    onnxruntime's way of going on with the CPU, by itself and with a page of text, when a GPU fails is off: then the
    CPU's results would be taken for the GPU's. Raises `UnavailableError`.
    """
    wanted = [(ORT_NAMES[kind], options) for kind, options in providers]
    options = session_options(ort, threads)
    try:
        with quiet(), engine_calls():
            session = ort.InferenceSession(
                engine_name(path), options, providers=[*wanted, ORT_NAMES["cpu"]], enable_fallback=0
            )
    except EngineFailure as error:
        raise UnavailableError(first_line(error)) from error
    return check_started(session, provider)
