"""The options that say which style and how it looks, the same for photos, folders, clips and the camera."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

from fastnst.errors import ConfigError
from fastnst.runtime.models.catalog import available_styles
from fastnst.runtime.models.style_spec import StyleChoice, choose, choose_movement
from fastnst.runtime.stroke_size import check_stroke
from fastnst.runtime.stylizer import check_strength

_ALL = "all"


def add_style_options(parser: argparse.ArgumentParser) -> None:
    """Declare them; one of --style and --movement has to be given."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--style",
        action="append",
        nargs="+",
        metavar="STYLE",
        help=f"names of styles, .onnx files, mixes such as starry_night:0.7,mine.onnx:0.3, or {_ALL}",
    )
    which.add_argument("--movement", metavar="M", help="the style of this movement, or a mix of all that it has")
    parser.add_argument("--strength", type=float, default=1.0, help="0 leaves the photo, 1 is the full style")
    parser.add_argument("--preserve-color", action="store_true", help="keep the photo's colours")
    parser.add_argument(
        "--stroke", type=float, default=1.0, help="size of the strokes, 0.5 to 2 times the style's own (default: 1)"
    )


def check_style_options(options: argparse.Namespace) -> None:
    """Raise `ConfigError` for numbers out of range, before anything is opened."""
    check_strength(options.strength)
    check_stroke(options.stroke)


def chosen_styles(options: argparse.Namespace) -> list[StyleChoice]:
    """The styles and mixes asked for, in order, each once; raises `FastNSTError` for one that is not there."""
    return list(dict.fromkeys(_choices(options)))


def chosen_style(options: argparse.Namespace, what: str) -> StyleChoice:
    """The one style or mix asked for; `what` is said to take no more: `a clip`."""
    asked = [] if options.style is None else [name for names in options.style for name in names]
    if len(asked) > 1 or asked == [_ALL]:
        raise ConfigError(f"{what} is restyled with one style: give one --style, or a mix such as a:0.7,b:0.3.")
    return next(_choices(options))


def style_content(choice: StyleChoice) -> str:
    """What a picture in this style depends on: files by their content, with their weights."""
    if len(choice.paths) == 1:
        return content(choice.paths[0])
    return ", ".join(f"{content(path)} {weight:.4f}" for path, weight in zip(choice.paths, choice.weights, strict=True))


def content(file: Path) -> str:
    """A file's name and what tells its content from others'."""
    return f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


def _choices(options: argparse.Namespace) -> Iterator[StyleChoice]:
    if options.movement is not None:
        yield choose_movement(options.movement)
        return
    for name in (name for names in options.style for name in names):
        if name != _ALL:
            yield choose(name)
            continue
        styles = available_styles()
        if not styles:
            raise ConfigError("no style is installed: give --style a style model file (.onnx).")
        yield from map(choose, styles.values())
