"""Which styles there are: names to style model files."""

from __future__ import annotations

import os
from pathlib import Path

from fastnst.errors import StyleNotFoundError, suggest

HALF_SUFFIX = ".fp16.onnx"  # of a half-precision copy for GPUs, which lies beside its model and is no style of its own
_PACKAGE = Path(__file__).resolve().parents[1]


def style_folders() -> list[Path]:
    """Where styles are looked for: $FASTNST_STYLES, the installed package's styles, a source checkout's weights/."""
    folders = [_PACKAGE / "styles", _PACKAGE.parent / "weights"]
    own = os.environ.get("FASTNST_STYLES")
    return [Path(own).expanduser(), *folders] if own else folders


def available_styles() -> dict[str, Path]:
    """The styles by name, in alphabetical order; a name in an earlier folder hides the same name in a later one."""
    found: dict[str, Path] = {}
    for folder in reversed(style_folders()):
        found.update({path.stem: path for path in folder.glob("*.onnx") if not path.name.endswith(HALF_SUFFIX)})
    return dict(sorted(found.items()))


def resolve_style(style: str | Path) -> Path:
    """The style model file for a name or a path.

    Raises `StyleNotFoundError`, with the nearest name and the list, for a name that is not there.
    """
    path = Path(style).expanduser()
    if path.suffix == ".onnx" or path.is_file():
        return path
    styles = available_styles()
    if str(style) not in styles:
        known = f"The styles are: {', '.join(styles)}." if styles else "No style is installed."
        raise StyleNotFoundError(f"unknown style '{style}'.{suggest(str(style), styles)} {known}")
    return styles[str(style)]
