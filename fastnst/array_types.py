"""Names for the arrays that pass between rooms. Shapes stand in the docstrings, where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

UInt8Image = NDArray[np.uint8]  # pixels: [H, W, 3] RGB, [H, W, 4] with alpha, or batches of them
FloatPlane = NDArray[np.float32]  # mattes and other planes: [H, W], or batches of them
FloatArray = NDArray[np.floating[Any]]  # any float array
