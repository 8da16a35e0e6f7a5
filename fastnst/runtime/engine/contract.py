"""The contract of a model's result. Every result of every engine is checked against it, here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import ModelError
from fastnst.printable import printable


@dataclass(frozen=True)
class ResultContract:
    """One array of the input's size.

    Attributes:
        element: its numpy type.
        channels: in place of the input's three. They are the last axis of bytes `[N, H, W, 3]` and the second of float
            planes `[N, 3, H, W]`, as in the input.
    """

    element: type[np.generic]
    channels: int

    def checked(self, found: object, images: NDArray[Any], path: Path) -> NDArray[Any]:
        """`found` itself; raises `ModelError`, which names the model file, if it breaks the contract."""
        shape = list(images.shape)
        shape[3 if images.dtype == np.uint8 else 1] = self.channels
        if not isinstance(found, np.ndarray):
            raise ModelError(f"{path} does not do what it promises: it gives {printable(type(found).__name__)}.")
        if found.dtype != self.element or list(found.shape) != shape:
            raise ModelError(
                f"{path} does not do what it promises: for {_described(images)} it gives {_described(found)}, not"
                f" {self.element.__name__} {shape}."
            )
        if self.element is not np.uint8 and not np.isfinite(found).all():
            raise ModelError(f"{path} does not do what it promises: it gives values that are not numbers.")
        return found


SAME_PICTURE = ResultContract(np.uint8, 3)  # of styles
ALPHA = ResultContract(np.float32, 1)  # of matting models


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"
