"""`fastnst stylize PHOTO|FOLDER|CLIP… --style NAME|FILE.onnx -o OUT`; clips go on to `commands/video.py`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastnst.commands import video
from fastnst.commands.options import video as clip_options
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.portrait import Finish, add_portrait_options, finisher, open_portrait, transparent_format
from fastnst.commands.options.style import add_style_options, check_style_options, chosen_styles
from fastnst.contact_sheet import contact_sheet
from fastnst.errors import ConfigError, FastNSTError, ImageError, OutputError
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_image, save_picture
from fastnst.images.folders import find_images
from fastnst.images.formats import SUFFIXES
from fastnst.images.picture import Picture
from fastnst.output_files import check_output
from fastnst.runtime.models.style_spec import StyleChoice
from fastnst.runtime.stylizer import Stylizer, check_max_size
from fastnst.runtime.tiling import parse_tile

_PROGRESS_FROM = 4  # pictures; fewer are done before a bar could be read


@dataclass(frozen=True)
class Job:
    """One picture to make: which photo, which style, where to."""

    photo: Path
    style: StyleChoice
    output: Path


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Restyle photos, folders of photos, and clips.")
    parser.add_argument("photos", nargs="+", type=Path, metavar="INPUT", help="photos, folders of photos, or a clip")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="a file for one picture or a clip, else a folder",
    )
    add_style_options(parser)
    parser.add_argument("--max-size", type=int, help="reduce photos to this long side in pixels first")
    parser.add_argument(
        "--tile",
        default="auto",
        metavar="MEGAPIXELS",
        help="restyle photos above this size in parts, to save memory; auto: above 8 (default), or off",
    )
    parser.add_argument("--provider", default="auto", help="auto, cpu, openvino, cuda or tensorrt (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all that may be used)")
    parser.add_argument("--format", metavar="SUFFIX", help="write all pictures as jpg, png, webp or tiff")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (default: 95)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write one sheet of all pictures")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--allow-huge", action="store_true", help="take pictures above 179 megapixels")
    add_portrait_options(parser)
    clip_options.add_options(parser)
    return parser


def main(argv: list[str], prog: str = "fastnst stylize") -> int:
    """Run the command: 0, or 1 if some pictures of several failed; raises `FastNSTError` if nothing can be done."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    _check_options(options)
    if clip_options.is_clip(options):
        return video.run(options)
    styles = chosen_styles(options)
    jobs = plan(options.photos, styles, options.output, options.format)
    for job in jobs:
        check_output(job.output, overwrite=options.overwrite)
    if options.sheet:
        check_output(options.sheet, overwrite=options.overwrite)
    stylizers = {style: Stylizer(style, options.provider, options.threads) for style in styles}
    portrait = open_portrait(options)
    finish = finisher(portrait, options) if portrait else Picture.with_pixels
    started = time.perf_counter()
    failures = _run(jobs, stylizers, finish, options)
    _report(jobs, failures, stylizers, options, time.perf_counter() - started)
    return 1 if failures else 0


def plan(photos: list[Path], styles: list[StyleChoice], output: Path, suffix: str | None = None) -> list[Job]:
    """Every picture to make and where it goes.

    One photo, one style and an output with a picture suffix: that file. Otherwise the output is a folder that mirrors
    the photos' folders, with `<photo>_<style>.<suffix>` in it; of two photos whose names differ in the suffix only, the
    second keeps its suffix in the name.

    Raises `ImageError` if there is no photo, `OutputError` if several pictures would go to one file.
    """
    jobs: list[Job] = []
    taken: set[Path] = set()
    named_file = output.suffix.lower() in SUFFIXES
    for argument in photos:
        found = find_images([argument])
        if not found:
            raise ImageError(f"no photos found in {argument}.")
        for photo in found:
            relative = photo.relative_to(argument).parent if argument.is_dir() else Path()
            for style in styles:
                target = output if named_file else _unused(output / relative, photo, style, suffix, taken)
                taken.add(target)
                jobs.append(Job(photo, style, target))
    if named_file and len(jobs) > 1:
        raise OutputError(f"{len(jobs)} pictures cannot go to one file: give a folder instead of {output}.")
    if not named_file and (output.is_file() or (len(jobs) == 1 and output.suffix and not output.is_dir())):
        raise OutputError(
            f"{output} has no picture suffix that can be written: use {', '.join(SUFFIXES)}, or a folder."
        )
    return jobs


def _unused(folder: Path, photo: Path, style: StyleChoice, suffix: str | None, taken: set[Path]) -> Path:
    ending = f".{suffix}" if suffix else photo.suffix.lower()
    ending = ending if ending in SUFFIXES else ".png"
    for stem in (photo.stem, photo.name.replace(".", "_")):
        target = folder / f"{stem}_{style.name}{ending}"
        if target not in taken:
            return target
    number = 2
    while (target := folder / f"{photo.stem}_{style.name}_{number}{ending}") in taken:
        number += 1
    return target


def _check_options(options: argparse.Namespace) -> None:
    check_style_options(options)
    if options.max_size is not None:
        check_max_size(options.max_size)
    parse_tile(options.tile)
    if not 1 <= options.quality <= 100:
        raise ConfigError(f"quality must be between 1 and 100, not {options.quality}.")
    if options.format is not None:
        options.format = options.format.lower().lstrip(".")
        if f".{options.format}" not in SUFFIXES:
            raise ConfigError(f"unknown format '{options.format}': choose one of {', '.join(SUFFIXES)}.")
    transparent_format(options)


def _run(
    jobs: list[Job], stylizers: dict[StyleChoice, Stylizer], finish: Finish, options: argparse.Namespace
) -> list[tuple[Path, str]]:
    """Make all pictures; of several, a bad one is noted and the rest goes on."""
    failures: list[tuple[Path, str]] = []
    for job in _with_progress(jobs):
        try:
            _make(job, stylizers[job.style], finish, options)
        except ImageError as error:
            if len(jobs) == 1:
                raise
            failures.append((job.photo, str(error)))
        except OutputError as error:  # a full disk or a lost permission will not mend itself for the next picture
            done = jobs.index(job) - len(failures)
            raise OutputError(f"{error} {done} of {len(jobs)} pictures were finished.") from error
    if len(failures) == len(jobs):
        raise ImageError(f"none of the {len(jobs)} pictures could be made; the first: {failures[0][1]}")
    return failures


def _make(job: Job, stylizer: Stylizer, finish: Finish, options: argparse.Namespace) -> None:
    picture = open_picture(job.photo, max_size=options.max_size, allow_huge=options.allow_huge)
    try:
        stylized = stylizer(
            picture.rgb,
            strength=options.strength,
            preserve_color=options.preserve_color,
            stroke=options.stroke,
            tile=options.tile,
        )
        finished = finish(picture, stylized)
    except FastNSTError as error:
        raise ImageError(f"{job.photo}: {error}") from error
    save_picture(finished, job.output, overwrite=options.overwrite, quality=options.quality)


def _with_progress(jobs: list[Job]) -> Iterator[Job]:
    if len(jobs) < _PROGRESS_FROM:
        yield from jobs
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(jobs, description="restyling", console=Console(stderr=True), transient=True)


def _report(
    jobs: list[Job],
    failures: list[tuple[Path, str]],
    stylizers: dict[StyleChoice, Stylizer],
    options: argparse.Namespace,
    seconds: float,
) -> None:
    for _, message in failures:
        sys.stderr.write(f"fastnst: {message}\n")
    made = len(jobs) - len(failures)
    where = jobs[0].output if len(jobs) == 1 else options.output
    engine = next(iter(stylizers.values())).model
    count = "1 picture" if made == 1 else f"{made} pictures"
    failed = f", {len(failures)} failed" if failures else ""
    sys.stdout.write(f"{where}: {count}{failed}, {seconds:.2f} s ({engine.provider}, {engine.precision})\n")
    if options.sheet:
        _write_sheet(jobs, {photo for photo, _ in failures}, stylizers, options)
        sys.stdout.write(f"{options.sheet}: all of them on one sheet\n")


def _write_sheet(
    jobs: list[Job], failed: set[Path], stylizers: dict[StyleChoice, Stylizer], options: argparse.Namespace
) -> None:
    rows = []
    for photo in dict.fromkeys(job.photo for job in jobs if job.photo not in failed):
        original = open_picture(photo, max_size=640, allow_huge=options.allow_huge).rgb
        mine = [job for job in jobs if job.photo == photo]
        made = [(open_picture(job.output, max_size=640).rgb, stylizers[job.style].metadata.name) for job in mine]
        rows.append([(original, photo.name), *made])
    save_image(contact_sheet(rows), options.sheet, overwrite=options.overwrite)
