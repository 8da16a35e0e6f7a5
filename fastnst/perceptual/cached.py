"""Downloaded weights trimmed to the convolutions, in the cache, with a checksum that every reading verifies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fastnst.output_files import write_atomically

_CHECKSUM, _SOURCE = "sha256", "source"


def save_weights(state: Mapping[str, Tensor], path: Path, source: str) -> None:
    """Write float weights with their SHA-256 and where they are from, whole or not at all."""
    whole = {name: tensor.contiguous() for name, tensor in state.items()}
    with write_atomically(path, overwrite=True) as partial:
        save_file(whole, partial, {_SOURCE: source, _CHECKSUM: checksum(whole)})


def read_weights(path: Path) -> dict[str, Tensor] | None:
    """The weights of `save_weights`; None if there are none, or they are not what was written.

    Files of version 0.2 carry no checksum, and are taken as they are.
    """
    try:
        with safe_open(path, framework="pt") as file:
            expected = (file.metadata() or {}).get(_CHECKSUM)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError):
        return None
    return state if expected in (None, checksum(state)) else None


def checksum(state: Mapping[str, Tensor]) -> str:
    """The SHA-256 of names, shapes and values, whatever the file's layout."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
