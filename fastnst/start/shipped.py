"""The start that ships."""

from __future__ import annotations

import os
from pathlib import Path

from fastnst.errors import ModelError
from fastnst.input_files import expanded
from fastnst.runtime.models.catalog import resolve_style

START = "start"  # as `init`, beside the names of styles
_FILE = Path(__file__).with_name("start.safetensors")


def find_init(init: str) -> Path:
    """The file of a trained network to begin from: `start`, an installed style's name, or a path with a suffix.

    Raises `ModelError` for `start` where none ships, and what `resolve_style` raises for a name that is none.
    """
    if init == START:
        if not os.path.isfile(_FILE):
            raise ModelError("no start ships with this fastnst: begin from a style, --init starry_night.")
        return _FILE
    return expanded(init) if Path(init).suffix else resolve_style(init)
