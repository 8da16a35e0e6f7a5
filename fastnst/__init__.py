"""fastnst: one small feed-forward network per painting style; photos, video and the webcam in real time.

The names below are the public API. They keep their meaning within a minor version (0.3.x), and what changes in the next
one is in CHANGELOG.md. Everything else may change at any time. All paths are `str` or `Path`; what a user can get wrong
raises a subclass of `FastNSTError` with one sentence. `import fastnst` loads none of it: each name is imported when it
is first asked for, so that restyling needs no torch.

>>> import fastnst
>>> fastnst.Stylizer("starry_night")(fastnst.sample_photo()).size
(410, 480)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.3.0"

__all__ = [
    "FastNSTError",
    "Matting",
    "OptimizedPicture",
    "RestyledVideo",
    "Stylizer",
    "TrainedStyle",
    "available_recipes",
    "available_styles",
    "compare",
    "export",
    "optimize",
    "restyle_video",
    "sample_photo",
    "train",
]

_HOMES = {
    "FastNSTError": "fastnst.errors",
    "Matting": "fastnst.runtime.portrait.matting",
    "OptimizedPicture": "fastnst.api.reference",
    "RestyledVideo": "fastnst.api.restyling",
    "Stylizer": "fastnst.runtime.stylizer",
    "TrainedStyle": "fastnst.api.training",
    "available_recipes": "fastnst.recipes",
    "available_styles": "fastnst.runtime.models.catalog",
    "compare": "fastnst.api.reference",
    "export": "fastnst.api.training",
    "optimize": "fastnst.api.reference",
    "restyle_video": "fastnst.api.restyling",
    "sample_photo": "fastnst.sample",
    "train": "fastnst.api.training",
}

if TYPE_CHECKING:
    from fastnst.api.reference import OptimizedPicture, compare, optimize
    from fastnst.api.restyling import RestyledVideo, restyle_video
    from fastnst.api.training import TrainedStyle, export, train
    from fastnst.errors import FastNSTError
    from fastnst.recipes import available_recipes
    from fastnst.runtime.models.catalog import available_styles
    from fastnst.runtime.portrait.matting import Matting
    from fastnst.runtime.stylizer import Stylizer
    from fastnst.sample import sample_photo


def __getattr__(name: str) -> Any:
    """A public name, imported now (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fastnst' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
