"""Targets of clips: which kind of output, whether it may be written, what earlier and other runs have there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastnst.errors import ConfigError, OutputError
from fastnst.output_files import check_output, check_partial, locked_output
from fastnst.runtime.video.animation_writer import ANIMATIONS
from fastnst.runtime.video.companions import FORMATS
from fastnst.runtime.video.frame_marks import Settings
from fastnst.runtime.video.image_sequence import pictures_in
from fastnst.runtime.video.segments import check_parts, existing_parts, partial_path


@dataclass(frozen=True)
class Target:
    """The path of a clip and the way it is encoded.

    Attributes:
        output: a video file, an animated picture (.gif, .webp, .apng, .png), or a folder for frames.
        codec, crf, encoder: see `encoders.choose_encoder`.
        settings: what the pictures depend on; work that was begun with other settings is not gone on with.
        overwrite: replace what is there.
        resume: go on with what an interrupted run left.
        frames: the suffix of pictures in a folder.
    """

    output: Path
    codec: str = "h264"
    crf: int | None = None
    encoder: str = "auto"
    settings: Settings = field(default_factory=dict)
    overwrite: bool = False
    resume: bool = False
    frames: str = ".png"


class BusyError(OutputError):
    """An output that another run is making."""


def left_over(output: Path) -> Path | None:
    """The files of an interrupted run that play."""
    if output.suffix.lower() in ANIMATIONS:
        partial = partial_animation(output)
        return partial if os.path.exists(partial) else None
    return next((path for path in existing_parts(output) if os.path.exists(path)), None)


def check_target(target: Target, source: Path | None = None) -> str:
    """`video`, `animation` or `folder`; raises `OutputError` for a place where nothing may be written.

    `source` is what is read: neither the result nor unfinished work may take its place.
    """
    with alone(target.output):
        return kind_of(target, source)


@contextlib.contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other runs from making `output` meanwhile; raises `BusyError` if one is at it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_output(output))
        except OutputError as error:
            raise BusyError(str(error)) from error
        yield


def kind_of(target: Target, source: Path | None) -> str:
    """`check_target`, for who has the output locked."""
    suffix = target.output.suffix.lower()
    inputs = [source] if source is not None else []
    if suffix in FORMATS:
        if (suffix == ".webm" and target.codec != "av1") or (suffix == ".mov" and target.codec == "av1"):
            raise ConfigError(f"{suffix} cannot hold {target.codec}: name an .mp4 or .mkv instead of {target.output}.")
        check_output(target.output, overwrite=target.overwrite, inputs=inputs)
        check_parts(target.output, inputs)
        left = left_over(target.output)
        if left and not (target.resume or target.overwrite):
            raise OutputError(f"{left} is left from an interrupted run: pass --resume to go on, or --overwrite.")
        return "video"
    if suffix in ANIMATIONS and not os.path.isdir(target.output):
        if target.resume:
            raise ConfigError("an animated picture is made in one go: leave --resume out.")
        check_output(target.output, overwrite=target.overwrite, inputs=inputs)
        partial = partial_animation(target.output)
        check_partial(partial, inputs)
        if os.path.exists(partial) and not target.overwrite:
            raise OutputError(
                f"{partial} is in the way, maybe from an interrupted run: pass --overwrite to replace it."
            )
        return "animation"
    if os.path.isfile(target.output) or (suffix and not os.path.isdir(target.output)):
        known = ", ".join((*FORMATS, ".gif", ".webp", ".apng"))
        raise OutputError(f"{target.output} has no suffix that a clip can be written in: use {known}, or a folder.")
    if pictures_in(target.output) and not (target.overwrite or target.resume):
        raise OutputError(f"{target.output} holds pictures already: pass --resume to go on or --overwrite to replace.")
    return "folder"


def partial_animation(output: Path) -> Path:
    """The place of an animated picture until it is whole."""
    return partial_path(output, f".partial{output.suffix}")
