"""The starts that ship, and the predictors that guess their affines."""

from __future__ import annotations

import os
from pathlib import Path

from fastnst.errors import ModelError
from fastnst.input_files import expanded
from fastnst.runtime.models.catalog import resolve_style

# As `init`, beside the names of styles: the network `swift`, and the small one, `swift-s`.
START, START_S = STARTS = ("start", "start-s")
_FOLDER = Path(__file__).parent


def find_init(init: str) -> Path:
    """The file of a trained network to begin from: `start`, `start-s`, an installed style's name, or a path with a
    suffix.

    Raises `ModelError` for a start where none ships, and what `resolve_style` raises for a name that is none.
    """
    if init in (START, START_S):
        shipped = _FOLDER / f"{init}.safetensors"
        if not os.path.isfile(shipped):
            raise ModelError(f"no {init} ships with this fastnst: begin from a style, --init starry_night.")
        return shipped
    return expanded(init) if Path(init).suffix else resolve_style(init)


def predictor_files() -> list[Path]:
    """The predictors that ship, `predictor.safetensors` of `start` and `predictor-s.safetensors` of `start-s`."""
    paths = (_FOLDER / f"{name}.safetensors" for name in ("predictor", "predictor-s"))
    return [path for path in paths if os.path.isfile(path)]
