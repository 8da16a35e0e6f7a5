"""A stand-in for an onnxruntime with GPU providers, and models to run on it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from fastnst.runtime import StyleMetadata
from tests.conftest import write_model


class OrtError(Exception):
    """An error as onnxruntime raises it."""


OrtError.__module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


class Value:
    """An OrtValue."""

    made = 0

    def __init__(self, shape: list[int]) -> None:
        Value.made += 1
        self.pixels = np.zeros(shape, np.uint8)

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape: list[int], element: Any, device: str, index: int) -> Value:
        assert (element, device, index) == (np.uint8, "cuda", 0)
        return cls(shape)

    def update_inplace(self, pixels: np.ndarray) -> None:
        self.pixels[...] = pixels

    def numpy(self) -> np.ndarray:
        return self.pixels.copy()  # from the device


class RunOptions:
    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def add_run_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


class Session:
    """255 − image, off by some levels as the precision has it."""

    def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
        self.path, self.wanted = Path(path), providers
        self.options: dict[str, Any] = {}
        for entry in providers:
            if isinstance(entry, tuple):
                self.options |= entry[1]
        self.graphs: list[str] = []
        self.error = 0
        self.fails_to_record = False

    def get_providers(self) -> list[str]:
        return [entry[0] if isinstance(entry, tuple) else entry for entry in self.wanted]

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="image", type="tensor(uint8)", shape=["N", "H", "W", 3])]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="stylized", type="tensor(uint8)", shape=["N", "H", "W", 3])]

    def run(self, _names: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [np.clip(255 - feed["image"].astype(int) + self.error, 0, 255).astype(np.uint8)]

    def io_binding(self) -> Any:
        binding = SimpleNamespace()
        binding.bind_ortvalue_input = lambda name, value: setattr(binding, name, value)
        binding.bind_ortvalue_output = lambda name, value: setattr(binding, name, value)
        return binding

    def run_with_iobinding(self, binding: Any, options: RunOptions | None) -> None:
        graph = options.entries["gpu_graph_id"] if options else "none"
        self.graphs.append(graph)
        if self.fails_to_record and graph not in ("none", "-1"):
            raise RuntimeError("capture failed\nat a line\nand another")  # the bindings raise no type of their own here
        binding.stylized.pixels[...] = 255 - binding.image.pixels


class FakeOrt(SimpleNamespace):
    """An onnxruntime with GPU providers; `broken` says which sessions cannot be opened, `errors` how exact they are."""

    def __init__(self) -> None:
        super().__init__(
            __version__="9.9", OrtValue=Value, RunOptions=RunOptions, SessionOptions=onnxruntime.SessionOptions
        )
        self.available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        self.opened: list[Session] = []
        self.broken = lambda session: None
        self.errors = lambda session: 0

    def get_available_providers(self) -> list[str]:
        return self.available

    def InferenceSession(  # noqa: N802
        self, path: str, options: Any, providers: list[Any], enable_fallback: int = 1
    ) -> Session:
        assert enable_fallback == 0, "onnxruntime would go on with the CPU by itself"
        session = Session(path, options, providers)
        reason = self.broken(session)
        if reason:
            raise OrtError(reason)
        session.error = self.errors(session)
        self.opened.append(session)
        return session


def train_anew(path: Path, number: int) -> Path:
    """Another model in place of this one."""
    return write_model(path, properties=StyleMetadata(name="negative", steps=number).to_properties())


def frame(height: int = 20, width: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
