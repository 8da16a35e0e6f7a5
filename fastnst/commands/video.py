"""Clips on the command line: run and report for videos, GIFs and folders of frames."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fastnst.commands.options.portrait import open_portrait, portrait_settings
from fastnst.commands.options.style import chosen_style, style_content
from fastnst.errors import ClipError, ConfigError, FastNSTError
from fastnst.images.formats import SUFFIXES

if TYPE_CHECKING:
    from fastnst.runtime.portrait.compositor import Portrait
    from fastnst.runtime.video.convert import Target
    from fastnst.runtime.video.pipeline import Work
    from fastnst.runtime.video.types import Source
from fastnst.commands.options.video import _WRITTEN, _rate, parse_time


def run(options: argparse.Namespace) -> int:
    """Restyle one clip. Returns 0, or 130 after Ctrl-C."""
    from fastnst.runtime.stylizer import Stylizer
    from fastnst.runtime.video.stages import FrameStylist

    _check_restyling(options)
    check_paths(options)
    style = chosen_style(options, "a clip")
    target, _ = open_target(options, options.format or "png")
    source = open_source(options)
    portrait = open_portrait(options, video=True)
    stylizer = Stylizer(style, options.provider, options.threads)
    stylist = FrameStylist(
        stylizer,
        options.strength,
        options.preserve_color,
        options.smooth,
        options.batch,
        portrait,
        stroke=options.stroke,
    )
    settings = {
        **clip_settings(options),
        "style": style_content(style),
        **{name: getattr(options, name) for name in ("strength", "preserve_color", "smooth", "stroke")},
        **portrait_settings(portrait),
    }
    engine = f"{stylizer.model.provider}, {stylizer.model.precision}"
    return convert(source, stylist, replace(target, settings=settings), portrait, engine)


def convert(source: Source, work: Work, target: Target, portrait: Portrait | None, engine: str) -> int:
    """Make a clip, with progress and a line on what was made. Returns 0, or 130 after Ctrl-C."""
    from fastnst.runtime.video.convert import convert_clip, left_over

    output = target.output
    try:
        with _progress(source.info.duration) as report:
            result = convert_clip(source, work, target, report)
    except KeyboardInterrupt:
        sys.stderr.write(f"fastnst: interrupted{_where(left_over(output), output)}.\n")
        return 130
    except FastNSTError as error:
        left = left_over(output)
        if left is None:
            raise
        raise type(error)(f"{error} What is finished plays in {left}.") from error
    made, seconds = result.run.items, result.run.seconds
    if portrait is not None and made and not portrait.met_people:
        result.notes.append(f"no person was found in any of the {made} frames of {source.name}.")
    for note in result.notes:
        sys.stderr.write(f"fastnst: {note}\n")
    before = f" after {result.earlier} of an earlier run" if result.earlier else ""
    sys.stdout.write(
        f"{output}: {made} frames{before}, {seconds:.1f} s, {made / max(seconds, 1e-9):.1f} fps"
        f" ({engine}, {result.encoder})\n"
    )
    return 0


def check_paths(options: argparse.Namespace) -> None:
    """Raise `ConfigError` for inputs and outputs that make no clip."""
    if len(options.photos) > 1:
        raise ConfigError("clips are made one at a time: give one input.")
    source, output = options.photos[0], options.output
    if source.exists() and output.exists() and source.samefile(output):
        raise ConfigError(f"{source} is both input and output: name another output.")
    if source.suffix.lower() in SUFFIXES and not source.is_dir():
        raise ConfigError(f"{source} is a photo: it does not make a clip such as {output}.")
    if output.suffix.lower() in SUFFIXES:
        raise ConfigError(f"{output} is a picture: name a clip ({', '.join(_WRITTEN)}) or a folder for the frames.")


def open_target(options: argparse.Namespace, frames: str) -> tuple[Target, str]:
    """Where the clip goes, checked, without its settings; and whether that is a `video`, a `gif` or a `folder`.

    `frames` is the suffix of pictures in a folder.
    """
    from fastnst.runtime.video.convert import Target, check_target

    target = Target(
        options.output,
        options.codec or "h264",
        options.crf,
        options.encoder or "auto",
        overwrite=options.overwrite,
        resume=options.resume,
        frames=f".{frames}",
    )
    return target, check_target(target)


def open_source(options: argparse.Namespace) -> Source:
    """The clip or folder of frames to read; raises `ClipError` or `ConfigError`."""
    from fastnst.runtime.video.image_sequence import FolderSource
    from fastnst.runtime.video.reader import Cut, VideoSource

    path = options.photos[0]
    if path.is_dir():
        if options.start or options.end:
            raise ConfigError("--start and --end are for videos; a folder of frames is taken whole.")
        return FolderSource(path, _rate(options.fps or "25"), options.max_size)
    if options.fps:
        raise ConfigError(f"--fps is for a folder of frames: {path} has times of its own, which are kept.")
    if not path.exists():
        raise ClipError(f"{path} does not exist.")
    start = parse_time(options.start, "start") if options.start else Fraction(0)
    end = parse_time(options.end, "end") if options.end else None
    return VideoSource(path, options.max_size, Cut(start, end))


def clip_settings(options: argparse.Namespace) -> dict[str, object]:
    """What any pictures made from a clip depend on: a part made with other settings is not gone on with."""
    source = options.photos[0]
    return {
        "input": source.name,
        "bytes": source.stat().st_size if source.is_file() else None,
        **{name: getattr(options, name) for name in ("max_size", "start", "end", "fps")},
    }


def _check_restyling(options: argparse.Namespace) -> None:
    if options.sheet:
        raise ConfigError("--sheet is for photos: leave it out.")
    if options.tile != "auto":
        raise ConfigError("--tile is for photos: reduce a clip with --max-size.")
    if options.batch is not None and not 1 <= options.batch <= 64:
        raise ConfigError(f"batch must be between 1 and 64, not {options.batch}.")


def _where(left: Path | None, output: Path) -> str:
    if left is None:
        return "; the frames so far are kept, and --resume goes on" if output.is_dir() else "; no frame was finished"
    goes_on = "" if left.suffix == ".gif" else ", and --resume goes on"
    return f"; what is finished plays in {left}{goes_on}"


@contextlib.contextmanager
def _progress(duration: float | None) -> Iterator[Callable[[int, float], None]]:
    """A bar on stderr with frames a second and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("working", total=duration, rate="")

        def report(done: int, seconds: float) -> None:
            elapsed = bar.tasks[0].elapsed or 0
            speed = f"{done / elapsed:.1f} fps" if elapsed > 0 and done else ""
            bar.update(task, completed=seconds, rate=speed)

        yield report
