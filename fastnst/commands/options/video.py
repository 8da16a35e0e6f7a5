"""The options of clips."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import TYPE_CHECKING

from fastnst.errors import ConfigError
from fastnst.images.formats import SUFFIXES

if TYPE_CHECKING:
    pass

CLIPS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp",
    ".ogv", ".y4m",
)  # fmt: skip
_WRITTEN = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif")
_SOUNDS = (".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".opus")  # asked for by mistake: the answer should say so


def add_options(parser: argparse.ArgumentParser, *, restyling: bool = True) -> None:
    """The options that concern clips only; each is None or False unless given."""
    group = parser.add_argument_group("clips (videos, GIFs, folders of frames)")
    group.add_argument("--codec", help="h264, hevc or av1 (default: h264)")
    group.add_argument("--crf", type=int, help="constant quality, 0 is the best (default: h264 20, hevc 23, av1 30)")
    group.add_argument("--encoder", help="auto, software or hardware (default: auto, hardware where there is one)")
    group.add_argument("--start", metavar="TIME", help="begin here: seconds, or 1:30, or 0:01:30.5")
    group.add_argument("--end", metavar="TIME", help="stop before this time of the source")
    group.add_argument("--fps", metavar="RATE", help="rate of a folder of frames (default: 25); 30000/1001 is exact")
    group.add_argument("--resume", action="store_true", help="go on with what an interrupted run left")
    if restyling:
        group.add_argument("--smooth", action="store_true", help="calm what flickers where nothing moves")
        group.add_argument("--batch", type=int, help="frames for one call of the engine (default: 4 on a GPU, else 1)")


def is_clip(options: argparse.Namespace) -> bool:
    """Whether a command line is about clips; raises `ConfigError` if it gives photos options for clips."""
    inputs, output = options.photos, options.output.suffix.lower()
    if output in _WRITTEN or any(path.suffix.lower() in (*CLIPS, *_SOUNDS) for path in inputs):
        return True
    names = ("codec", "crf", "encoder", "start", "end", "batch")
    given = [name for name in names if getattr(options, name, None) is not None]
    of_folders = [name for name in ("smooth", "fps", "resume") if getattr(options, name, None)]
    if of_folders and len(inputs) == 1:
        if inputs[0].is_dir() and output not in SUFFIXES:
            return True
        given += of_folders
    if given:
        raise ConfigError(f"--{given[0]} is for clips: {inputs[0]} with the output {options.output} is none.")
    return False


def parse_time(text: str, name: str) -> Fraction:
    """Seconds from `12.5`, `1:30` or `0:01:30.5`."""
    try:
        parts = [Fraction(part) for part in text.split(":")]
    except (ValueError, ZeroDivisionError):
        parts = []
    if not 1 <= len(parts) <= 3 or any(part < 0 for part in parts):
        raise ConfigError(f"{name} must be a time such as 12.5 or 1:30, not '{text}'.")
    seconds = Fraction(0)
    for part in parts:
        seconds = seconds * 60 + part
    return seconds


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise ConfigError(f"fps must be a rate such as 25 or 30000/1001, not '{text}'.")
    return rate
