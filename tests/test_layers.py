"""The floors of the house: a room imports from the floors below its own, never from beside or above.

Read from the source, so that imports inside functions and for type checkers count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fastnst

PACKAGE = Path(fastnst.__file__).parent
# From the ground up. A name is a module or a folder below fastnst/; the most specific one counts.
FLOORS = [
    [
        "errors",
        "array_types",
        "printable",
        "sample",
        "interrupts",
        "verbosity",
        "command_table",
        "protobuf",
    ],
    ["progress", "standard_streams", "cache", "input_files", "output_files", "kernels", "half_weights"],
    ["output_folders", "download", "networks", "onnx_graph"],
    ["hub", "recipes", "images", "perceptual", "user_config"],
    ["contact_sheet", "runtime.imaging", "runtime.engine", "losses"],
    ["runtime.models", "hardware"],
    ["metrics", "borrowed_graph"],
    ["runtime.stroke_size", "runtime.tiling", "runtime.temporal", "checkpoints", "style_export", "serving", "trainer"],
    ["start.shipped"],
    ["start.predictor"],
    ["runtime.portrait"],
    ["runtime.finishing"],
    ["runtime.stylizer"],
    ["runtime"],  # its __init__, which names what the rooms above use
    ["runtime.video", "sharing", "scale", "web", "reference", "training", "matting"],
    ["runtime.camera", "distillation", "start"],
    ["commands.options"],
    ["commands"],
    ["api"],
    ["cli"],
    ["__main__"],
]
# What a photographer installs knows nothing of these.
TRAINING_PACKAGES = {"torch", "torchvision", "pytorch_lightning", "jsonargparse", "datasets", "safetensors", "yaml"}
LIGHT = (
    "errors",
    "cache",
    "download",
    "hub",
    "images",
    "contact_sheet",
    "half_weights",
    "runtime",
    "scale",
    "api.restyling",
)


def modules() -> dict[str, Path]:
    """Every module below fastnst/ by its dotted name without `fastnst.`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found.pop("")  # fastnst/__init__.py stands outside: it imports nothing until it is asked
    return found


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names; of `from a import b`, `a.b`, which may be a name in `a`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def room(module: str) -> str | None:
    """The most specific place in `FLOORS` that a module (or a name inside one) belongs to."""
    places = [place for floor in FLOORS for place in floor if within(module, place)]
    return max(places, key=len, default=None)


def test_every_module_has_a_floor() -> None:
    assert [module for module in modules() if room(module) is None] == []
    places = [place for floor in FLOORS for place in floor]
    assert len(places) == len(set(places))


def test_no_arrow_runs_up_or_sideways() -> None:
    height = {place: number for number, floor in enumerate(FLOORS) for place in floor}
    wrong = set()
    for module, path in modules().items():
        here = room(module)
        for name in imports(path):
            there = room(name.removeprefix("fastnst.")) if name.startswith("fastnst.") else None
            if there is not None and here is not None and there != here and height[there] >= height[here]:
                wrong.add(f"{module} imports {there}")
    assert sorted(wrong) == []


def test_what_restyles_knows_nothing_of_training() -> None:
    heavy = {
        f"{module} imports {name}"
        for module, path in modules().items()
        if any(within(module, place) for place in LIGHT)
        for name in imports(path)
        if name.split(".")[0] in TRAINING_PACKAGES
    }
    assert sorted(heavy) == []
