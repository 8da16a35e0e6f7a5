"""`fastnst styles`: what can be passed to --style."""

from __future__ import annotations

import sys

from fastnst.commands.parser import Parser
from fastnst.errors import ConfigError
from fastnst.runtime.catalog import available_styles
from fastnst.runtime.style_model import StyleModel


def main(argv: list[str], prog: str = "fastnst styles") -> int:
    """Print one line a style; raises `ConfigError` if none is installed."""
    parser = Parser(prog=prog, description="List the styles that are installed.")
    parser.parse_args(argv)
    styles = available_styles()
    if not styles:
        raise ConfigError("no style is installed: give --style a style model file (.onnx).")
    width = max(map(len, styles))
    for name, path in styles.items():
        metadata = StyleModel(path, provider="cpu").metadata
        painting = ", ".join(part for part in (metadata.title, metadata.artist, metadata.year) if part)
        sys.stdout.write(f"{name:{width}}  {painting or '-'}  ({metadata.movement or 'no movement given'})\n")
    return 0
