"""Restyling with trained models: numpy, Pillow and onnxruntime; never torch."""

from fastnst.runtime.catalog import available_styles, resolve_style
from fastnst.runtime.choice import StyleChoice, choose
from fastnst.runtime.matting import MattingModel
from fastnst.runtime.metadata import MattingMetadata, StyleMetadata
from fastnst.runtime.mixing import StyleMix
from fastnst.runtime.portrait import Portrait, PortraitOptions
from fastnst.runtime.style_model import StyleModel
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
