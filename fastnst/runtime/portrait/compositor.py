"""Portraits: who is restyled, what stands behind them. One object that photos, videos and cameras use alike."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from fastnst.array_types import FloatArray, FloatPlane, UInt8Image
from fastnst.errors import ConfigError, ImageError, suggest
from fastnst.images.decode import open_image
from fastnst.input_files import expanded
from fastnst.runtime.portrait.compositing import (
    WORK_SIZE,
    Layers,
    blurred_background,
    composite,
    estimate_foreground,
)
from fastnst.runtime.portrait.matting_model import MattingModel, has_person
from fastnst.runtime.temporal import TemporalSmoothing

log = logging.getLogger(__name__)

MODES = ("person", "background", "cutout", "auto")
STYLE_PREFIX = "style:"
# Frames go by: what nobody sees there may be coarser. Twice as fast as photos at 640×360.
_VIDEO_SHORT_SIDE = 192
_VIDEO_WORK_SIZE = 160

Restyle = Callable[[UInt8Image], UInt8Image]  # [H, W, 3] to the same


class NoPersonError(ImageError):
    """Nobody was found where a person is needed."""


@dataclass(frozen=True)
class PortraitOptions:
    """Options of a portrait's composition.

    Attributes:
        mode: `person` restyles people and keeps the real background, `background` the reverse; `cutout` restyles people
            and leaves the rest transparent; `auto` is `person`, or the whole picture where there is nobody.
        background: behind people: `keep` (None: what the mode says), a colour `#rrggbb`, `blur`, a picture file, or
            `style:NAME`, the photo's own in another style.
        fg_color: tint people with this colour `#rrggbb`.
        fg_factor: how much, 0 … 1.
        texture_factor: how much of the background's texture stays over its flat colour, 0 … 1: the colour given as
            `background` (then 0 by default), else the background's mean colour (then 1).
    """

    mode: str = "person"
    background: str | None = None
    fg_color: str | None = None
    fg_factor: float = 0.2
    texture_factor: float | None = None

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for options that contradict each other or are out of range."""
        if self.mode not in MODES:
            raise ConfigError(
                f"unknown portrait mode '{self.mode}'.{suggest(self.mode, MODES)} Choose one of: {', '.join(MODES)}."
            )
        for name, value in (("fg-factor", self.fg_factor), ("texture-factor", self.texture_factor)):
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name} must be between 0 and 1, not {value}.")
        if self.fg_color is not None:
            parse_color(self.fg_color)
        if self.background is None:
            return
        check_background(self.background)
        if self.mode == "cutout":
            raise ConfigError("a cutout has no background: use --portrait person to put one behind it.")
        if self.mode == "background" and not self.background.startswith(STYLE_PREFIX):
            raise ConfigError(
                f"--portrait background restyles the photo's own background, so --background {self.background} has no"
                " effect: use style:NAME there, or --portrait person, or fastnst matte."
            )


class Portrait:
    """Composes a photo and its restyled picture by the photo's matte.

    Args:
        options: how.
        matting: finds people; None if a matte is always given.
        restyle: makes the other style of `style:NAME` from a photo; needed for that only.
        video: frames follow each other: mattes are smoothed over time, and a frame without a person is not an error.

    For photos one object may serve several threads; with `video` it remembers, so one belongs to one clip.

    Raises `ConfigError` for options that contradict each other, `ImageError` for a background that cannot be read.
    """

    def __init__(
        self,
        options: PortraitOptions,
        matting: MattingModel | None,
        *,
        restyle: Restyle | None = None,
        video: bool = False,
    ) -> None:
        options.validate()
        self.options, self.matting, self.restyle, self.video = options, matting, restyle, video
        self.met_people = False  # in any frame of a video
        self._smoothing = TemporalSmoothing()
        background = options.background or "keep"
        self._color = parse_color(background) if background.startswith("#") else None
        is_file = self._color is None and background not in ("keep", "blur") and not background.startswith(STYLE_PREFIX)
        self._picture = open_image(expanded(background)) if is_file else None
        self._fitted: UInt8Image | None = None

    def __call__(self, photo: UInt8Image, stylized: UInt8Image, alpha: FloatArray | None = None) -> UInt8Image:
        """The composed picture.

        Args:
            photo, stylized: uint8 `[H, W, 3]`.
            alpha: the matte, float `[H, W]`; None finds it.

        Returns uint8 `[H, W, 3]`, or `[H, W, 4]` with the alpha of a cutout. Raises `NoPersonError` if the matte is
        nearly empty and the mode is not `auto`.
        """
        if alpha is None:
            alpha = self.find(photo)
        if not has_person(alpha) and self._restyle_whole(alpha):
            return stylized
        people_in = photo if self.options.mode == "background" else stylized
        foreground = tinted(self._layers(people_in, alpha).foreground, self.options.fg_color, self.options.fg_factor)
        if self.options.mode == "cutout":
            return cut_out(foreground, alpha)
        return composite(foreground, self._background(photo, stylized, alpha), alpha)

    def find(self, photo: UInt8Image) -> FloatPlane:
        """The photo's matte, float32 `[H, W]`; smoothed over time in a video.

        It needs the photo only, so it may run beside the restyling, in another thread.
        """
        if self.matting is None:
            raise ConfigError("no matting model was given, and no matte.")
        if not self.video:
            return self.matting.people(photo)
        alpha = self._smoothing(self.matting(photo, colour=False, short_side=_VIDEO_SHORT_SIDE))
        self.met_people = self.met_people or has_person(alpha)
        return alpha

    def reset(self) -> None:
        """Forget earlier frames, as at the start of another video."""
        self._smoothing.reset()

    def _restyle_whole(self, alpha: FloatArray) -> bool:
        """True if a picture without people is restyled whole; raises `NoPersonError` if it may not be."""
        if self.options.mode == "auto":
            if not self.video:
                log.warning("no person was found: the whole picture is restyled.")
            return True
        if self.video:  # people come and go
            return False
        raise NoPersonError(
            f"no person was found (the matte covers {float(alpha.mean()):.1%}): use --portrait auto to restyle such"
            " pictures as a whole."
        )

    def _background(self, photo: UInt8Image, stylized: UInt8Image, alpha: FloatArray) -> UInt8Image:
        background, texture = self.options.background or "keep", self.options.texture_factor
        if texture is None:
            texture = 0.0 if self._color else 1.0
        if self._color and texture == 0:
            return np.broadcast_to(np.array(self._color, np.uint8), photo.shape)
        if self._picture is not None:
            behind = self._fit(photo.shape)
        elif background == "blur":
            behind = blurred_background(photo, alpha)
        elif background.startswith(STYLE_PREFIX):
            if self.restyle is None:
                raise ConfigError(f"no style was given for --background {background}.")
            behind = self._layers(self.restyle(photo), alpha).background
        elif self.options.mode == "background":
            behind = self._layers(stylized, alpha).background
        else:
            behind = self._layers(photo, alpha).background
        if texture == 1:
            return behind
        flat = self._color or tuple(np.rint(behind.reshape(-1, 3).mean(axis=0)))
        return mixed(behind, flat, 1 - texture)

    def _layers(self, picture: UInt8Image, alpha: FloatArray) -> Layers:
        return estimate_foreground(picture, alpha, _VIDEO_WORK_SIZE if self.video else WORK_SIZE)

    def _fit(self, shape: tuple[int, ...]) -> UInt8Image:
        """The background picture, cropped to the photo's aspect; kept for the next frame."""
        assert self._picture is not None
        fitted = self._fitted  # another thread may put one of another size in its place
        if fitted is None or fitted.shape != shape:
            fitted = np.asarray(ImageOps.fit(self._picture, (shape[1], shape[0]), Image.Resampling.LANCZOS))
            self._fitted = fitted
        return fitted


def cut_out(foreground: UInt8Image, alpha: FloatArray) -> UInt8Image:
    """RGBA uint8 `[H, W, 4]`; transparent pixels are black, so that nothing is hidden in them."""
    levels = np.rint(alpha * 255).astype(np.uint8)
    return np.dstack((np.where(levels[..., None] > 0, foreground, 0).astype(np.uint8), levels))


def tinted(pixels: UInt8Image, color: str | None, factor: float) -> UInt8Image:
    """`factor` of a colour over the pixels, uint8; the published control, so mixed in sRGB as published."""
    return pixels if color is None or factor == 0 else mixed(pixels, parse_color(color), factor)


def mixed(pixels: UInt8Image, color: tuple[int, ...], factor: float) -> UInt8Image:
    """`(1 − factor) · pixels + factor · color`, uint8 `[H, W, 3]`, by a table of 256 levels a channel."""
    levels = np.arange(256)[:, None] * (1 - factor) + np.array(color) * factor
    table = np.rint(levels).clip(0, 255).astype(np.uint8)
    return np.stack([table[:, channel][pixels[..., channel]] for channel in range(3)], axis=-1)


def parse_color(text: str) -> tuple[int, int, int]:
    """`#rrggbb` to levels. Raises `ConfigError` for anything else."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ConfigError(f"'{text}' is not a colour: write it as #rrggbb, for example #204060.")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def check_background(text: str) -> None:
    """Raise `ConfigError` if this names no background."""
    if text in ("keep", "blur"):
        return
    if text.startswith("#"):
        parse_color(text)
    elif text.startswith(STYLE_PREFIX):
        if text == STYLE_PREFIX:
            raise ConfigError("style: needs the name of a style after the colon.")
    elif not os.path.isfile(expanded(text)):
        raise ConfigError(
            f"there is no background '{text}'.{suggest(text, ('keep', 'blur'))} Give keep, blur, #rrggbb, style:NAME or"
            " a picture file."
        )
