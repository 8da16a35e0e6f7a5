"""Restyling with trained models: numpy, Pillow and onnxruntime; never torch."""

from fastnst.runtime.models.catalog import available_styles, resolve_style
from fastnst.runtime.models.metadata import MattingMetadata, StyleMetadata
from fastnst.runtime.models.style_blend import StyleMix
from fastnst.runtime.models.style_model import StyleModel
from fastnst.runtime.models.style_spec import StyleChoice, choose
from fastnst.runtime.portrait.compositor import Portrait, PortraitOptions
from fastnst.runtime.portrait.matting_model import MattingModel
from fastnst.runtime.stylizer import Stylizer

__all__ = [
    "MattingMetadata",
    "MattingModel",
    "Portrait",
    "PortraitOptions",
    "StyleChoice",
    "StyleMetadata",
    "StyleMix",
    "StyleModel",
    "Stylizer",
    "available_styles",
    "choose",
    "resolve_style",
]
