"""As much of ComfyUI's V3 API as nodes declare themselves with: what they say is kept as it is."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Declared:
    """An input or output: its type, its name and the rest of what was said."""

    kind: str
    name: str
    options: dict[str, Any]


@dataclass
class Schema:
    node_id: str
    display_name: str
    category: str
    inputs: list[Declared]
    outputs: list[Declared]
    description: str = ""


@dataclass
class NodeOutput:
    args: tuple[Any, ...] = field(default_factory=tuple)

    def __init__(self, *args: Any) -> None:
        self.args = args


class ComfyNode:
    """The base of nodes."""


class ComfyExtension:
    """The base of node packs."""


def _type(kind: str) -> type:
    class Input(Declared):
        def __init__(self, id: str, **options: Any) -> None:
            super().__init__(kind, id, options)

    class Output(Declared):
        def __init__(self, display_name: str = "", **options: Any) -> None:
            super().__init__(kind, display_name, options)

    return type(kind, (), {"Input": Input, "Output": Output})


def install(modules: dict[str, Any] = sys.modules) -> None:
    """Put the stub where ComfyUI would put the real one."""
    io = types.ModuleType("comfy_api.latest.io")
    for kind in ("Image", "Mask", "String", "Float", "Int", "Boolean", "Combo"):
        setattr(io, kind, _type(kind.upper()))
    for value in (Schema, NodeOutput, ComfyNode):
        setattr(io, value.__name__, value)
    latest = types.ModuleType("comfy_api.latest")
    latest.io = io  # type: ignore[attr-defined]
    latest.ComfyExtension = ComfyExtension  # type: ignore[attr-defined]
    modules.update({"comfy_api": types.ModuleType("comfy_api"), "comfy_api.latest": latest})
