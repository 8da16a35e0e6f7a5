"""Keys of the camera: a state and a function from a key to the next state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

VIEWS = ("stylized", "side by side", "original")
_STRENGTH_STEP = 0.1

HELP = (
    "n next style, p previous style, + and - strength, c the photo's colours, o original and side by side,"
    " b portrait on and off, m mirror, i information, s snapshot, r record, q quit"
)


@dataclass(frozen=True)
class Controls:
    """The state that keys change: how the camera's pictures are shown.

    Attributes:
        style: the number of the style in use, of `styles`.
        view: one of `VIEWS`.
        portrait: whether people are separated from the background; means nothing without portrait options.
        snapshot: asked for by the last key.
        recording, quit: whether the picture is recorded, whether to end.
    """

    styles: int = 1
    style: int = 0
    strength: float = 1.0
    preserve_color: bool = False
    view: str = VIEWS[0]
    portrait: bool = True
    mirror: bool = False
    information: bool = True
    recording: bool = False
    snapshot: bool = False
    quit: bool = False

    def press(self, key: str) -> Controls:
        """The state after a key; unknown keys change nothing."""
        state = replace(self, snapshot=False)
        if key in ("n", "p"):
            return replace(state, style=(self.style + (1 if key == "n" else -1)) % self.styles)
        if key in ("+", "=", "-"):
            step = -_STRENGTH_STEP if key == "-" else _STRENGTH_STEP
            return replace(state, strength=round(min(1.0, max(0.0, self.strength + step)), 2))
        if key == "o":
            return replace(state, view=VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])
        switches = {"c": "preserve_color", "b": "portrait", "m": "mirror", "i": "information", "r": "recording"}
        if key in switches:
            changed: dict[str, Any] = {switches[key]: not getattr(self, switches[key])}
            return replace(state, **changed)
        if key == "s":
            return replace(state, snapshot=True)
        if key in ("q", "\x1b"):
            return replace(state, quit=True)
        return state
