"""The options of `--portrait`, and what they make of a restyled picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.commands.options.style import content, style_content
from fastnst.errors import ConfigError
from fastnst.images.formats import SUFFIXES
from fastnst.images.picture import Picture
from fastnst.runtime.engine.providers import usable_cores
from fastnst.runtime.models.style_spec import choose
from fastnst.runtime.portrait.compositor import MODES, STYLE_PREFIX, Portrait, PortraitOptions
from fastnst.runtime.portrait.matte_files import read_matte, with_layers
from fastnst.runtime.portrait.matting_model import MattingModel, resolve_matting_model
from fastnst.runtime.stylizer import Stylizer

Finish = Callable[[Picture, Image.Image], Picture]  # the photo and its restyled pixels to the picture to save
Look = Callable[[], tuple[float, bool]]  # a style's strength, and whether the photo's colours are kept
_OPAQUE = (".jpg", ".jpeg")  # formats without transparency


def add_portrait_options(parser: argparse.ArgumentParser) -> None:
    """Declare them in a group of their own."""
    group = parser.add_argument_group("portraits")
    group.add_argument("--portrait", metavar="MODE", help=f"tell people from the background: {', '.join(MODES)}")
    add_background_options(group)
    group.add_argument("--fg-color", metavar="#RRGGBB", help="tint people with this colour")
    group.add_argument("--fg-factor", type=float, default=0.2, help="how much of that tint, 0 to 1 (default: 0.2)")
    add_matting_options(group)


def add_background_options(group: argparse._ActionsContainer) -> None:
    """Those that say what stands behind people."""
    group.add_argument("--background", metavar="WHAT", help="keep, #rrggbb, blur, a picture file or style:NAME")
    group.add_argument(
        "--texture-factor", type=float, help="how much of the background's texture stays over its colour, 0 to 1"
    )


def add_matting_options(group: argparse._ActionsContainer) -> None:
    """Those that say how people are found."""
    group.add_argument("--matte", type=Path, metavar="FILE", help="take this matte instead of finding people")
    group.add_argument("--matting", default="ours", help="ours, or modnet: the official one (default: ours)")
    group.add_argument("--matting-model", type=Path, metavar="FILE", help="take this matting model (.onnx)")


def open_portrait(options: argparse.Namespace, *, video: bool = False, look: Look | None = None) -> Portrait | None:
    """What `--portrait` and its companions ask for; None without it. `video` is for clips and the camera.

    `look` tells a style of the background its strength and whether to keep colours; None takes the options'.

    Raises `FastNSTError` for options that mean nothing, before any picture is opened.
    """
    if options.portrait is None:
        given = [
            name for name in ("background", "fg_color", "texture_factor", "matte", "matting_model")
            if getattr(options, name) is not None
        ]  # fmt: skip
        if given:
            raise ConfigError(f"--{given[0].replace('_', '-')} needs --portrait MODE: one of {', '.join(MODES)}.")
        return None
    wanted = PortraitOptions(
        options.portrait, options.background, options.fg_color, options.fg_factor, options.texture_factor
    )
    wanted.validate()
    if video and wanted.mode == "cutout":
        raise ConfigError(
            "clips and the camera have no transparency: take --portrait person --background #rrggbb instead of cutout."
        )
    if video:
        refuse_matte_file(options)
    restyle = None
    if wanted.background is not None and wanted.background.startswith(STYLE_PREFIX):
        restyle = _restyler(wanted.background.removeprefix(STYLE_PREFIX), options, look)
    return Portrait(wanted, open_matting(options, beside=video), restyle=restyle, video=video)


def refuse_matte_file(options: argparse.Namespace) -> None:
    """Raise `ConfigError` if moving pictures were given a matte."""
    if options.matte is not None:
        raise ConfigError("--matte is one photo's matte: in clips and the camera people are found in every frame.")


def portrait_settings(portrait: Portrait | None) -> dict[str, object]:
    """What a portrait's pictures depend on, files by their content; all None without one."""
    if portrait is None:
        return dict.fromkeys(("portrait", *list(asdict(PortraitOptions()))[1:], "matting"))
    settings = asdict(portrait.options)
    background = portrait.options.background
    if portrait.restyle is not None and background is not None:
        style = choose(background.removeprefix(STYLE_PREFIX))
        settings["background"] = f"{STYLE_PREFIX}{style_content(style)}"
    elif background is not None and background not in ("keep", "blur") and not background.startswith("#"):
        settings["background"] = content(Path(background).expanduser())
    matting = content(portrait.matting.path) if portrait.matting else None
    return {"portrait": settings.pop("mode"), **settings, "matting": matting}


def open_matting(options: argparse.Namespace, *, beside: bool = False) -> MattingModel | None:
    """The matting model asked for; None if a matte is given instead. `beside` a style it takes half of the threads."""
    if options.matte is not None:
        return None
    path = resolve_matting_model(options.matting, options.matting_model)
    threads = max(1, (options.threads or usable_cores()) // 2) if beside else options.threads
    return MattingModel(path, options.provider, threads)


def transparent_format(options: argparse.Namespace) -> None:
    """Let cutouts be written in a format with transparency; raises `ConfigError` if another was asked for."""
    if options.portrait != "cutout":
        return
    asked = f".{options.format}" if options.format else options.output.suffix.lower()
    if asked in _OPAQUE:
        raise ConfigError(f"a cutout needs transparency, which {asked} has not: take .png, .webp or .tiff.")
    if options.format is None and asked not in SUFFIXES:  # the output is a folder
        options.format = "png"


def finisher(portrait: Portrait, options: argparse.Namespace) -> Finish:
    """Compose photo and restyled picture; the photo's own transparency is kept."""

    def finish(photo: Picture, stylized: Image.Image) -> Picture:
        pixels = np.asarray(photo.rgb if photo.rgb.size == stylized.size else photo.rgb.resize(stylized.size))
        alpha = None
        if options.matte is not None:
            alpha = read_matte(options.matte, stylized.size, options.max_size)
        composed = portrait(pixels, np.asarray(stylized), alpha)
        return with_layers(photo, composed)

    return finish


def _restyler(name: str, options: argparse.Namespace, look: Look | None) -> Callable[[np.ndarray], np.ndarray]:
    stylizer = Stylizer(name, options.provider, options.threads)
    tile = getattr(options, "tile", "auto")  # the camera has no such option

    def restyle(photo: np.ndarray) -> np.ndarray:
        strength, preserve_color = look() if look else (options.strength, options.preserve_color)
        return np.asarray(
            stylizer(photo, strength=strength, preserve_color=preserve_color, stroke=options.stroke, tile=tile)
        )

    return restyle
