"""Clips on the command line: run and report for videos, animated pictures and folders of frames."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fastnst.commands.options.engine import EngineOptions
from fastnst.commands.options.portrait import MattingOptions, open_portrait
from fastnst.commands.options.style import StyleRequest
from fastnst.commands.options.video import ANIMATED, WRITTEN, ClipOptions
from fastnst.commands.resume_settings import clip_settings, portrait_settings, restyle_settings
from fastnst.errors import ConfigError, FastNSTError
from fastnst.images.animation import is_animation
from fastnst.images.formats import SUFFIXES
from fastnst.output_files import FullDiskError
from fastnst.progress import progress
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.models.style_spec import StyleChoice
from fastnst.runtime.portrait.compositor import PortraitOptions
from fastnst.standard_streams import print_message, print_result

if TYPE_CHECKING:
    from fastnst.runtime.portrait.compositor import Portrait
    from fastnst.runtime.video.pipeline import Work
    from fastnst.runtime.video.target import Target
    from fastnst.runtime.video.types import Source

_FRAMES_PER_SECOND = Fraction(25)  # of a folder whose rate nobody says


@dataclass(frozen=True)
class ClipJob:
    """One clip to make: from where, where to, and what both depend on.

    Attributes:
        source: a video, an animated picture or a folder of frames.
        output: a clip, or a folder for frames.
        max_size: reduce to this long side in pixels.
        frames: the suffix of pictures in a folder, without its dot.
    """

    source: Path
    output: Path
    clip: ClipOptions
    max_size: int | None = None
    overwrite: bool = False
    frames: str = "png"


@dataclass(frozen=True)
class Conversion:
    """A clip about to be made: everything is open and checked, nothing is written.

    Attributes:
        source, work, target: what `fastnst.runtime.video.convert.convert_clip` takes.
        portrait: what separates people from the background, if anything does.
        engine: what computes, to be shown.
    """

    source: Source
    work: Work
    target: Target
    portrait: Portrait | None
    engine: str


def restyle(
    job: ClipJob,
    style: StyleRequest,
    restyling: RestyleOptions,
    engine: EngineOptions,
    portrait: PortraitOptions | None,
    matting: MattingOptions,
) -> int:
    """Restyle one clip. Returns 0, or 130 after Ctrl-C."""
    ready = prepare(job, style.one("a clip"), restyling, engine, portrait, matting)
    return convert(ready.source, ready.work, ready.target, ready.portrait, ready.engine)


def prepare(
    job: ClipJob,
    choice: StyleChoice,
    restyling: RestyleOptions,
    engine: EngineOptions,
    portrait: PortraitOptions | None,
    matting: MattingOptions,
) -> Conversion:
    """Open all that restyling a clip needs; raises `FastNSTError` for what does not go together or is not there."""
    from fastnst.runtime.stylizer import Stylizer
    from fastnst.runtime.video.stages import FrameStylist

    job = replace(job, output=place_for(job, choice.name))
    check_paths(job)
    target, _ = open_target(job)
    source = open_source(job)
    compositor = open_portrait(portrait, matting, engine, lambda: restyling, video=True)
    stylizer = Stylizer(choice, engine.provider, engine.threads)
    stylist = FrameStylist(stylizer, restyling, job.clip.batch, compositor)
    settings = {
        **clip_settings(job.source, job.clip, job.max_size),
        **restyle_settings(choice, restyling),
        **portrait_settings(compositor),
    }
    name = f"{stylizer.model.provider}, {stylizer.model.precision}"
    return Conversion(source, stylist, replace(target, settings=settings), compositor, name)


def convert(source: Source, work: Work, target: Target, portrait: Portrait | None, engine: str) -> int:
    """Make a clip, with progress and a line on what was made. Returns 0, or 130 after Ctrl-C."""
    from fastnst.runtime.video.convert import convert_clip
    from fastnst.runtime.video.target import BusyError, left_over

    output = target.output
    try:
        with _progress(source.info.duration) as report:
            result = convert_clip(source, work, target, report)
    except KeyboardInterrupt:
        print_message(f"interrupted{_where(left_over(output), output)}.")
        return 130
    except BusyError:
        raise
    except FastNSTError as error:
        left = left_over(output)
        if isinstance(error, FullDiskError) and os.path.isdir(output):
            raise type(error)(f"{error} The frames so far are kept, and --resume goes on.") from error
        if left is None:
            raise
        raise type(error)(f"{error} What is finished plays in {left}.") from error
    made, seconds = result.run.items, result.run.seconds
    if portrait is not None and made and not portrait.met_people:
        result.notes.append(f"no person was found in any of the {made} frames of {source.name}.")
    for note in result.notes:
        print_message(note)
    before = f" after {result.earlier} of an earlier run" if result.earlier else ""
    print_result(
        f"{output}: {made} frames{before}, {seconds:.1f} s, {made / max(seconds, 1e-9):.1f} fps"
        f" ({engine}, {result.encoder})\n"
    )
    return 0


def convert_among_photos(job: ClipJob, work: Work) -> list[str]:
    """Make one animated picture of a batch, without a word; returns remarks on it.

    A result is there whole or not at all, as of photos. Raises `FastNSTError`.
    """
    from fastnst.runtime.video.convert import convert_clip
    from fastnst.runtime.video.target import BusyError, left_over

    earlier = left_over(job.output)
    target, _ = open_target(job)
    try:
        return convert_clip(open_source(job), work, target).notes
    except BaseException as error:
        left = left_over(job.output)
        if left is not None and earlier is None and not isinstance(error, BusyError):
            left.unlink()
        raise


def one_clip(inputs: Sequence[Path], output: Path) -> Path:
    """The one input; raises `ConfigError` for several."""
    if len(inputs) > 1:
        raise ConfigError("clips are made one at a time: give one input.")
    return inputs[0]


def place_for(job: ClipJob, made: str) -> Path:
    """The output; for an animated picture into a folder, a file in it, named as photos are after what is `made`."""
    for path in (job.source, job.output):
        _check_name(path)
    output, suffix = job.output, job.source.suffix.lower()
    if output.suffix.lower() in (*WRITTEN, *SUFFIXES) or os.path.isdir(job.source) or not is_animation(job.source):
        return output
    if os.path.isfile(output) or (output.suffix and not os.path.isdir(output)):
        return output
    return output / f"{job.source.stem}_{made}{suffix if suffix in ANIMATED else '.webp'}"


def _check_name(path: Path) -> None:
    """Raise `ConfigError` for a name that the system cannot look up: too long, or in a folder that is closed to us."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be looked up ({getattr(error, 'strerror', None) or error}).") from error


def check_paths(job: ClipJob) -> None:
    """Raise `ConfigError` for inputs and outputs that do not make a clip."""
    source, output = job.source, job.output
    if os.path.exists(source) and os.path.exists(output) and source.samefile(output):
        raise ConfigError(f"{source} is both input and output: name another output.")
    if source.suffix.lower() in SUFFIXES and not os.path.isdir(source) and not is_animation(source):
        raise ConfigError(f"{source} is a photo: it does not make a clip such as {output}.")
    suffix = output.suffix.lower()
    if suffix in SUFFIXES and suffix != ".webp" and not (suffix == ".png" and is_animation(source)):
        raise ConfigError(
            f"{output} is a picture: name a clip ({', '.join((*WRITTEN, '.webp'))}) or a folder for the frames."
        )


def open_target(job: ClipJob) -> tuple[Target, str]:
    """The checked path of the clip, without its settings; and which it is: `video`, `animation` or `folder`."""
    from fastnst.runtime.video.target import Target, check_target

    target = Target(
        job.output,
        job.clip.codec or "h264",
        job.clip.crf,
        job.clip.encoder or "auto",
        overwrite=job.overwrite,
        resume=job.clip.resume,
        frames=f".{job.frames}",
    )
    return target, check_target(target, job.source)


def open_source(job: ClipJob) -> Source:
    """The clip, animated picture or folder of frames to read; raises `ClipError` or `ConfigError`."""
    from fastnst.runtime.video.image_sequence import FolderSource
    from fastnst.runtime.video.open_source import open_file
    from fastnst.runtime.video.reader import Cut

    path, clip = job.source, job.clip
    if os.path.isdir(path):
        if clip.start is not None or clip.end is not None:
            raise ConfigError("--start and --end are for videos; a folder of frames is taken whole.")
        return FolderSource(path, clip.fps or _FRAMES_PER_SECOND, job.max_size)
    if clip.fps is not None:
        raise ConfigError(f"--fps is for a folder of frames: {path} has times of its own, which are kept.")
    return open_file(path, job.max_size, Cut(clip.start or Fraction(0), clip.end))


def _where(left: Path | None, output: Path) -> str:
    if left is None:
        return (
            "; the frames so far are kept, and --resume goes on" if os.path.isdir(output) else "; no frame was finished"
        )
    goes_on = "" if left.suffix.lower() in ANIMATED else ", and --resume goes on"
    return f"; what is finished plays in {left}{goes_on}"


@contextlib.contextmanager
def _progress(duration: float | None) -> Iterator[Callable[[int, float], None]]:
    """Progress in seconds of the clip, with frames a second."""
    started = time.monotonic()
    with progress("restyling", duration, unit="seconds") as shown:

        def report(done: int, seconds: float) -> None:
            elapsed = time.monotonic() - started
            shown.reach(seconds, f"{done / elapsed:.1f} fps" if elapsed > 0 and done else "")

        yield report
