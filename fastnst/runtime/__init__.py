"""Restyling with trained models: numpy, Pillow and onnxruntime; never torch."""

from fastnst.runtime.catalog import available_styles, resolve_style
from fastnst.runtime.metadata import StyleMetadata
from fastnst.runtime.style_model import StyleModel
from fastnst.runtime.stylizer import Stylizer

__all__ = ["StyleMetadata", "StyleModel", "Stylizer", "available_styles", "resolve_style"]
