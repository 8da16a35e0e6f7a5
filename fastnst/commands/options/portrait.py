"""The options of `--portrait` and of `fastnst matte`: who is restyled, what stands behind them, how they are found."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.commands.options.engine import EngineOptions
from fastnst.errors import ConfigError, ImageError
from fastnst.runtime.engine.providers import usable_cores
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.portrait.compositor import MODES, STYLE_PREFIX, Portrait, PortraitOptions
from fastnst.runtime.portrait.matte_files import MatteFolder, read_matte
from fastnst.runtime.portrait.matting_model import MattingModel, resolve_matting_model
from fastnst.runtime.stylizer import Stylizer

CurrentRestyling = Callable[[], RestyleOptions]  # as it is at the moment: the camera's keys change it


@dataclass(frozen=True)
class MattingOptions:
    """The options that say how people are found.

    Attributes:
        matte: this file instead of finding people, or a folder with each photo's matte (`matte_files`).
        model: `ours` or `modnet`.
        model_file: a matting model of the user's own.
    """

    matte: Path | None = None
    model: str = "ours"
    model_file: Path | None = None

    @cached_property
    def _folder(self) -> MatteFolder | None:
        is_folder = self.matte is not None and os.path.isdir(self.matte)  # unlike Path's, it takes any text
        return MatteFolder(self.matte) if self.matte is not None and is_folder else None

    def read_matte(self, photo: Path, size: tuple[int, int], max_size: int | None = None) -> FloatPlane | None:
        """The matte that was given for a photo, float32 `[H, W]` in [0, 1]; None where people are to be found.

        `size` is the photo's width and height after it was reduced to `max_size`. Raises `ImageError` if the matte is
        missing, one of several, cannot be read or does not fit.
        """
        if self.matte is None:
            return None
        try:
            path = self.matte if self._folder is None else self._folder.find(photo)
        except ConfigError as error:  # two mattes of one photo end that photo, not a batch
            raise ImageError(str(error)) from error
        if path is None:
            raise ImageError(f"{self.matte} holds no matte for it: {photo.stem}.png or {photo.stem}_alpha.png.")
        return read_matte(path, size, max_size)

    def refuse_matte_file(self) -> None:
        """Raise `ConfigError` if moving pictures were given a matte."""
        if self.matte is not None:
            raise ConfigError("--matte is one photo's matte: in clips and the camera people are found in every frame.")

    def open(self, engine: EngineOptions, *, beside: bool = False) -> MattingModel | None:
        """The matting model; None if mattes are given instead. `beside` a style it uses half of the threads.

        Raises `ConfigError` for a folder without mattes, and what a model raises.
        """
        if self.matte is not None:
            _ = self._folder  # one without mattes is refused before anything is made
            return None
        path = resolve_matting_model(self.model, self.model_file)
        threads = max(1, (engine.threads or usable_cores()) // 2) if beside else engine.threads
        return MattingModel(path, engine.provider, threads)


def add_portrait_options(parser: argparse.ArgumentParser) -> None:
    """Declare them in a group of their own."""
    group = parser.add_argument_group("portraits")
    group.add_argument("--portrait", metavar="MODE", help=f"separate people from the background: {', '.join(MODES)}")
    add_background_options(group)
    group.add_argument("--fg-color", metavar="#RRGGBB", help="tint people with this colour")
    group.add_argument("--fg-factor", type=float, default=0.2, help="how much of that tint, 0 to 1 (default: 0.2)")
    add_matting_options(group)


def add_background_options(group: argparse._ActionsContainer) -> None:
    """Declare those that say what stands behind people."""
    group.add_argument("--background", metavar="WHAT", help="keep, #rrggbb, blur, a picture file or style:NAME")
    group.add_argument(
        "--texture-factor", type=float, help="how much of the background's texture stays over its colour, 0 to 1"
    )


def add_matting_options(group: argparse._ActionsContainer) -> None:
    """Declare those that say how people are found."""
    group.add_argument(
        "--matte",
        type=Path,
        metavar="FILE|DIR",
        help="a matte instead of finding people, or a folder: NAME.png or NAME_alpha.png for NAME.jpg",
    )
    group.add_argument("--matting", default="ours", help="ours, or modnet: the official one (default: ours)")
    group.add_argument("--matting-model", type=Path, metavar="FILE", help="take this matting model (.onnx)")


def read_matting_options(arguments: argparse.Namespace) -> MattingOptions:
    """Read how people are found; nothing is opened yet."""
    return MattingOptions(arguments.matte, arguments.matting, arguments.matting_model)


def read_portrait_options(arguments: argparse.Namespace) -> PortraitOptions | None:
    """Read `--portrait` and its companions; None without it. Raises `ConfigError` for what means nothing."""
    if arguments.portrait is None:
        names = ("background", "fg_color", "texture_factor", "matte", "matting_model")
        alone = [name for name in names if getattr(arguments, name) is not None]
        if alone:
            raise ConfigError(f"--{alone[0].replace('_', '-')} needs --portrait MODE: one of {', '.join(MODES)}.")
        return None
    options = PortraitOptions(
        arguments.portrait, arguments.background, arguments.fg_color, arguments.fg_factor, arguments.texture_factor
    )
    options.validate()
    return options


def open_portrait(
    options: PortraitOptions | None,
    matting: MattingOptions,
    engine: EngineOptions,
    restyling: CurrentRestyling,
    *,
    tile: str | float = "auto",
    video: bool = False,
) -> Portrait | None:
    """The compositor that was asked for, its models open; None without options. `video`: for clips and the camera.

    `restyling` gives the one of the moment, for a style of the background. Raises `FastNSTError` for what does not go
    together.
    """
    if options is None:
        return None
    if video and options.mode == "cutout":
        raise ConfigError(
            "clips and the camera have no transparency: take --portrait person --background #rrggbb instead of cutout."
        )
    if video:
        matting.refuse_matte_file()
    restyle = None
    if options.background is not None and options.background.startswith(STYLE_PREFIX):
        stylizer = Stylizer(options.background.removeprefix(STYLE_PREFIX), engine.provider, engine.threads)

        def restyle(photo: UInt8Image) -> UInt8Image:
            return stylizer.apply(photo, restyling(), tile)

    return Portrait(options, matting.open(engine, beside=video), restyle=restyle, video=video)
