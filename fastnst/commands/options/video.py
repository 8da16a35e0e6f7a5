"""The options of clips: videos, animated pictures, folders of frames."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

from fastnst.errors import ConfigError
from fastnst.images.animation import is_animation
from fastnst.images.formats import SUFFIXES
from fastnst.printable import printable

CLIPS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp",
    ".ogv", ".y4m",
)  # fmt: skip
WRITTEN = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".apng")
_ALSO_ANIMATED = (".webp", ".png")  # photos, too: written as animations where an animation or a clip goes in
ANIMATED = (".gif", ".apng", *_ALSO_ANIMATED)
_SOUNDS = (".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".opus")  # asked for by mistake: the answer should say so
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{0,12})?|\.[0-9]{1,12}|[0-9]{1,9}/0*[1-9][0-9]{0,8}")  # bounded, exact
_MIN_RATE = Fraction(1, 1000)  # frames a second
_MAX_SHOWN_CHARACTERS = 60  # characters of what was typed, in a message
_FRAME_OPTIONS = ("smooth", "batch")  # make sense for each of several animated pictures
_FOLDER_OPTIONS = ("fps", "resume", "smooth")  # make frames of a folder of pictures


@dataclass(frozen=True)
class ClipOptions:
    """Options of clips only; everything is None or False unless it was given.

    Attributes:
        codec, crf, encoder: see `fastnst.runtime.video.encoders.choose_encoder`.
        start, end: seconds of the source.
        fps: frames a second of a folder of frames.
        resume: go on with what an interrupted run left.
        smooth: calm what flickers.
        batch: frames for one call of the engine.
    """

    codec: str | None = None
    crf: int | None = None
    encoder: str | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    fps: Fraction | None = None
    resume: bool = False
    smooth: bool = False
    batch: int | None = None

    def names_set(self) -> list[str]:
        """The names of those that were given."""
        return [field.name for field in fields(self) if getattr(self, field.name) not in (None, False)]


def add_clip_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Declare those of all clips; returns their group, for more."""
    group = parser.add_argument_group("clips (videos, animated pictures, folders of frames)")
    group.add_argument("--codec", help="h264, hevc or av1 (default: h264)")
    group.add_argument("--crf", type=int, help="constant quality, 0 is the best (default: h264 20, hevc 23, av1 30)")
    group.add_argument("--encoder", help="auto, software or hardware (default: auto, hardware where there is one)")
    group.add_argument("--start", metavar="TIME", help="begin here: seconds, 1:30, 0:01:30.5, or exactly: 1001/30")
    group.add_argument("--end", metavar="TIME", help="stop before this time of the source")
    group.add_argument("--fps", metavar="RATE", help="rate of a folder of frames (default: 25); 30000/1001 is exact")
    group.add_argument("--resume", action="store_true", help="go on with what an interrupted run left")
    return group


def add_batch_option(group: argparse._ArgumentGroup) -> None:
    """Declare `--batch`, for clips that are restyled."""
    group.add_argument("--batch", type=int, help="frames for one call of the engine (default: 4 on a GPU, else 1)")


def read_clip_options(arguments: argparse.Namespace) -> ClipOptions:
    """The parsed options; raises `ConfigError` for times and rates that mean nothing."""
    batch = getattr(arguments, "batch", None)
    if batch is not None and not 1 <= batch <= 64:
        raise ConfigError(f"batch must be between 1 and 64, not {batch}.")
    return ClipOptions(
        arguments.codec,
        arguments.crf,
        arguments.encoder,
        None if arguments.start is None else parse_time(arguments.start, "start"),
        None if arguments.end is None else parse_time(arguments.end, "end"),
        None if arguments.fps is None else _rate(arguments.fps),
        arguments.resume,
        getattr(arguments, "smooth", False),
        batch,
    )


def is_clip(inputs: Sequence[Path], output: Path, options: ClipOptions) -> bool:
    """True if inputs and output make a clip; raises `ConfigError` if options of clips are given for photos.

    One animated picture makes an animated picture.
    """
    suffix = output.suffix.lower()
    if suffix in WRITTEN or any(path.suffix.lower() in (*CLIPS, *_SOUNDS) for path in inputs):
        return True
    animated = suffix in _ALSO_ANIMATED or suffix not in SUFFIXES
    if animated and len(inputs) == 1 and is_animation(inputs[0]):
        return True
    names = options.names_set()
    if set(names) <= set(_FRAME_OPTIONS) and len(inputs) > 1 and all(map(is_animation, inputs)):
        return False  # each is a clip among photos
    if (
        names
        and set(names) <= set(_FOLDER_OPTIONS)
        and len(inputs) == 1
        and os.path.isdir(inputs[0])
        and suffix not in SUFFIXES
    ):
        return True
    if names:
        raise ConfigError(f"--{names[0]} is for clips: {inputs[0]} with the output {output} is not one.")
    return False


def parse_time(text: str, name: str) -> Fraction:
    """Seconds from `12.5`, `1:30`, `0:01:30.5` or `1001/30`; raises `ConfigError` for anything else.

    >>> parse_time("1:30.5", "start")
    Fraction(181, 2)
    """
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ConfigError(
            f"{name} must be a time such as 12.5 or 1:30, not '{printable(text, _MAX_SHOWN_CHARACTERS)}'."
        )
    seconds = Fraction(0)
    for part in parts:
        seconds = seconds * 60 + Fraction(part)
    return seconds


def _rate(text: str) -> Fraction:
    rate = Fraction(text) if _NUMBER.fullmatch(text) else Fraction(0)
    if not _MIN_RATE <= rate <= 1000:
        raise ConfigError(
            f"fps must be a rate such as 25 or 30000/1001, not '{printable(text, _MAX_SHOWN_CHARACTERS)}'."
        )
    return rate
