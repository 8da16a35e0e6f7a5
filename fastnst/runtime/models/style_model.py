"""Load a style model file, check that it keeps the contract, and run it: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fastnst.array_types import UInt8Image
from fastnst.errors import ImageError, ModelError
from fastnst.runtime.engine.contract import SAME_PICTURE
from fastnst.runtime.engine.providers import Engine, open_engine
from fastnst.runtime.engine.session import Session, TensorInfo
from fastnst.runtime.models.onnx_metadata import read_description

MIN_SIDE = 16


class StyleModel:
    """A style model file opened on the best execution provider that works.

    Args:
        path: an .onnx that keeps the contract: input `image`, output `stylized`, both uint8 `[N, H, W, 3]` with
            N, H and W free, and a fastnst description.
        provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
        threads: CPU threads, at most the cores that this process may use; None takes all of these.

    Raises `ModelError` with the reason for a file that is missing, damaged or foreign; `ConfigError` for a provider
    that cannot be had; `MissingDependencyError` if no onnxruntime is installed.
    """

    def __init__(self, path: str | Path, provider: str = "auto", threads: int | None = None) -> None:
        self.path = Path(path)
        self.metadata = read_description(self.path)
        is_half = self.metadata.precision == "fp16"
        self._engine: Engine = open_engine(
            self.path, provider, threads, contract=SAME_PICTURE, check=_check_contract, bound=True, is_half=is_half
        )

    @property
    def provider(self) -> str:
        """The provider that runs the model: `cpu`, `openvino`, `cuda` or `tensorrt`."""
        return self._engine.provider

    @property
    def precision(self) -> str:
        """The precision that it computes in: `f32`, `tf32`, `bf16` or `f16`."""
        return self._engine.precision

    @property
    def session(self) -> Session:
        """The engine's session, for those who time it alone; on a GPU it may want its buffers bound."""
        return self._engine.session

    def resident(self, images: UInt8Image) -> Callable[[], object]:
        """Runs uint8 `[N, H, W, 3]` again and again where it is: on a GPU without transfers, for benchmarks."""
        return self._engine.resident(images)

    def __call__(self, images: UInt8Image) -> UInt8Image:
        """Restyle uint8 RGB `[N, H, W, 3]`, H and W ≥ 16; the same shape comes back.

        Raises `ImageError` for anything else, `ModelMemoryError` if the memory does not suffice, and `ModelError` if
        the model fails, or gives something else than a picture of that shape.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ImageError(f"a style model takes uint8 [N, H, W, 3], not {images.dtype} {list(images.shape)}.")
        if min(images.shape[1:3]) < MIN_SIDE:
            raise ImageError(
                f"a picture of {images.shape[2]}×{images.shape[1]} pixels is too small: "
                f"{MIN_SIDE}×{MIN_SIDE} is the least."
            )
        return self._engine.run(images)


def _check_contract(session: Session, path: Path) -> None:
    for values, name in ((session.get_inputs(), "image"), (session.get_outputs(), "stylized")):
        reason = _broken_contract(values, name)
        if reason:
            raise ModelError(f"{path} is not a fastnst style model: {reason}.")


def _broken_contract(values: Sequence[TensorInfo], name: str) -> str | None:
    if [value.name for value in values] != [name]:
        return f"it has {', '.join(value.name for value in values) or 'nothing'} where '{name}' alone is expected"
    value = values[0]
    if value.type != "tensor(uint8)":
        return f"'{name}' is {value.type}, not tensor(uint8)"
    if len(value.shape) != 4 or value.shape[3] != 3:
        return f"'{name}' has the shape {value.shape}, not [N, H, W, 3]"
    if any(isinstance(extent, int) for extent in value.shape[:3]):
        return f"'{name}' has the fixed shape {value.shape}; N, H and W must be free"
    return None
