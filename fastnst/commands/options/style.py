"""The options that say which style and how it looks, the same for photos, folders, clips and the camera."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from fastnst.errors import ConfigError
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.models.catalog import available_styles, without_small_ones
from fastnst.runtime.models.style_spec import StyleChoice, choose, choose_movement

_ALL = "all"


@dataclass(frozen=True)
class StyleRequest:
    """The styles that are asked for: names, files and mixes as `--style` had them, or one movement."""

    names: tuple[str, ...] = ()
    movement: str | None = None

    def all(self) -> list[StyleChoice]:
        """The styles and mixes, in order, each once; raises `FastNSTError` for one that is not there."""
        return list(dict.fromkeys(self._each()))

    def one(self, what: str) -> StyleChoice:
        """The one style or mix; `what` is said to take no more: `a clip`."""
        if len(self.names) > 1 or self.names == (_ALL,):
            raise ConfigError(f"{what} is restyled with one style: give one --style, or a mix such as a:0.7,b:0.3.")
        return next(self._each())

    def _each(self) -> Iterator[StyleChoice]:
        if self.movement is not None:
            yield choose_movement(self.movement)
            return
        for name in self.names:
            if name != _ALL:
                yield choose(name)
                continue
            styles = available_styles()
            if not styles:
                raise ConfigError("no style is installed: give --style a style model file (.onnx).")
            yield from map(choose, without_small_ones(styles).values())


def add_style_options(parser: argparse.ArgumentParser) -> None:
    """Declare them; one of --style and --movement has to be given."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--style",
        action="append",
        nargs="+",
        metavar="STYLE",
        help=f"names of styles, .onnx files, mixes such as starry_night:0.7,mine.onnx:0.3, or {_ALL}, without small"
        " variants (NAME-s)",
    )
    which.add_argument("--movement", metavar="M", help="the style of this movement, or a mix of all that it has")
    parser.add_argument("--strength", type=float, default=1.0, help="0 leaves the photo, 1 is the full style")
    parser.add_argument("--preserve-color", action="store_true", help="keep the photo's colours")
    parser.add_argument(
        "--stroke", type=float, default=1.0, help="size of the strokes, 0.5 to 2 times the style's own (default: 1)"
    )


def add_smooth_option(parser: argparse._ActionsContainer) -> None:
    """Declare `--smooth`, for moving pictures."""
    parser.add_argument("--smooth", action="store_true", help="calm what flickers where nothing moves")


def read_style_request(arguments: argparse.Namespace) -> StyleRequest:
    """Read the styles; nothing is opened yet."""
    return StyleRequest(tuple(name for names in arguments.style or () for name in names), arguments.movement)


def read_restyle_options(arguments: argparse.Namespace) -> RestyleOptions:
    """Read strength, colours, strokes and smoothing; raises `ConfigError` for numbers out of range."""
    options = RestyleOptions(arguments.strength, arguments.preserve_color, arguments.stroke, arguments.smooth)
    options.validate()
    return options
