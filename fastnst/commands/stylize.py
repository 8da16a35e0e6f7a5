"""`fastnst stylize PHOTO|FOLDER|CLIP… --style NAME|FILE.onnx -o OUT`; clips go on to `commands/video.py`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fastnst.commands import video
from fastnst.commands.options.engine import EngineOptions, add_engine_options, read_engine_options
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.portrait import (
    MattingOptions,
    add_portrait_options,
    open_portrait,
    read_matting_options,
    read_portrait_options,
)
from fastnst.commands.options.style import (
    StyleRequest,
    add_smooth_option,
    add_style_options,
    read_restyle_options,
    read_style_request,
)
from fastnst.commands.options.video import ClipOptions, add_batch_option, add_clip_options, is_clip, read_clip_options
from fastnst.contact_sheet import contact_sheet
from fastnst.errors import ConfigError, FastNSTError, ImageError, OutputError
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_image, save_picture
from fastnst.images.folders import find_images
from fastnst.images.formats import SUFFIXES
from fastnst.output_files import check_output
from fastnst.progress import track
from fastnst.runtime.finishing import Finisher, RestyleOptions
from fastnst.runtime.models.style_spec import StyleChoice
from fastnst.runtime.portrait.compositor import PortraitOptions
from fastnst.runtime.portrait.matte_files import read_matte, with_layers
from fastnst.runtime.stylizer import Stylizer, check_max_size
from fastnst.runtime.tiling import parse_tile

_OPAQUE = (".jpg", ".jpeg")  # formats without transparency


@dataclass(frozen=True)
class StylizeOptions:
    """What `fastnst stylize` was asked for.

    Attributes:
        inputs: photos, folders of photos, or one clip.
        output: a file for one picture or a clip, else a folder.
        look: how pictures look beside their photos.
        max_size: reduce photos to this long side in pixels first.
        tile: megapixels that are computed at once, `auto` or `off`.
        format: the suffix of all pictures, without its dot; None keeps the photos'.
        quality: of JPEG and WebP, 1 … 100.
        sheet: a picture of all results.
        allow_huge: take pictures that may be decompression bombs.
    """

    inputs: tuple[Path, ...]
    output: Path
    style: StyleRequest
    look: RestyleOptions
    engine: EngineOptions
    portrait: PortraitOptions | None
    matting: MattingOptions
    clip: ClipOptions
    max_size: int | None = None
    tile: str = "auto"
    format: str | None = None
    quality: int = 95
    sheet: Path | None = None
    overwrite: bool = False
    allow_huge: bool = False

    def checked(self) -> StylizeOptions:
        """These options; cut-outs get a format with transparency. Raises `ConfigError` for what means nothing."""
        parse_tile(self.tile)
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality must be between 1 and 100, not {self.quality}.")
        if self.format is not None and f".{self.format}" not in SUFFIXES:
            raise ConfigError(f"unknown format '{self.format}': choose one of {', '.join(SUFFIXES)}.")
        if self.portrait is None or self.portrait.mode != "cutout":
            return self
        asked = f".{self.format}" if self.format else self.output.suffix.lower()
        if asked in _OPAQUE:
            raise ConfigError(f"a cutout needs transparency, which {asked} has not: take .png, .webp or .tiff.")
        is_folder = self.format is None and asked not in SUFFIXES
        return replace(self, format="png") if is_folder else self


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
    add_engine_options(parser)
    parser.add_argument("--format", metavar="SUFFIX", help="write all pictures as jpg, png, webp or tiff")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (default: 95)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write one sheet of all pictures")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--allow-huge", action="store_true", help="take pictures above 179 megapixels")
    add_portrait_options(parser)
    clips = add_clip_options(parser)
    add_smooth_option(clips)
    add_batch_option(clips)
    return parser


def read_options(given: argparse.Namespace) -> StylizeOptions:
    """The parsed options, checked as far as that needs no file; raises `ConfigError`."""
    return StylizeOptions(
        tuple(given.photos),
        given.output,
        read_style_request(given),
        read_restyle_options(given),
        read_engine_options(given),
        read_portrait_options(given),
        read_matting_options(given),
        read_clip_options(given),
        None if given.max_size is None else check_max_size(given.max_size),
        given.tile,
        None if given.format is None else given.format.lower().lstrip("."),
        given.quality,
        given.sheet,
        given.overwrite,
        given.allow_huge,
    ).checked()


def main(argv: list[str], prog: str = "fastnst stylize") -> int:
    """Run the command: 0, or 1 if some pictures of several failed; raises `FastNSTError` if nothing can be done."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = read_options(build_parser(prog).parse_args(argv))
    if is_clip(options.inputs, options.output, options.clip):
        return _run_clip(options)
    styles = options.style.all()
    jobs = plan(list(options.inputs), styles, options.output, options.format)
    for job in jobs:
        check_output(job.output, overwrite=options.overwrite)
    if options.sheet:
        check_output(options.sheet, overwrite=options.overwrite)
    stylizers = {style: Stylizer(style, options.engine.provider, options.engine.threads) for style in styles}
    portrait = open_portrait(options.portrait, options.matting, options.engine, lambda: options.look, tile=options.tile)
    started = time.perf_counter()
    failures = _run(jobs, stylizers, Finisher(options.look, portrait), options)
    _report(jobs, failures, stylizers, options, time.perf_counter() - started)
    return 1 if failures else 0


def _run_clip(options: StylizeOptions) -> int:
    if options.sheet:
        raise ConfigError("--sheet is for photos: leave it out.")
    if options.tile != "auto":
        raise ConfigError("--tile is for photos: reduce a clip with --max-size.")
    source = video.one_clip(options.inputs, options.output)
    job = video.ClipJob(
        source, options.output, options.clip, options.max_size, options.overwrite, options.format or "png"
    )
    return video.restyle(job, options.style, options.look, options.engine, options.portrait, options.matting)


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


def _run(
    jobs: list[Job], stylizers: dict[StyleChoice, Stylizer], finisher: Finisher, options: StylizeOptions
) -> list[tuple[Path, str]]:
    """Make all pictures; of several, a bad one is noted and the rest goes on."""
    failures: list[tuple[Path, str]] = []
    for job in track(jobs, "restyling"):
        try:
            _make(job, stylizers[job.style], finisher, options)
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


def _make(job: Job, stylizer: Stylizer, finisher: Finisher, options: StylizeOptions) -> None:
    picture = open_picture(job.photo, max_size=options.max_size, allow_huge=options.allow_huge)
    photo = np.asarray(picture.rgb)
    try:
        matte = None
        if options.matting.matte is not None and finisher.portrait is not None:
            matte = read_matte(options.matting.matte, picture.rgb.size, options.max_size)
        stylized = photo if options.look.strength == 0 else stylizer.restyle(photo, options.look.stroke, options.tile)
        finished = with_layers(picture, finisher(photo, stylized, matte))
    except FastNSTError as error:
        raise ImageError(f"{job.photo}: {error}") from error
    save_picture(finished, job.output, overwrite=options.overwrite, quality=options.quality)


def _report(
    jobs: list[Job],
    failures: list[tuple[Path, str]],
    stylizers: dict[StyleChoice, Stylizer],
    options: StylizeOptions,
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
    jobs: list[Job], failed: set[Path], stylizers: dict[StyleChoice, Stylizer], options: StylizeOptions
) -> None:
    rows = []
    for photo in dict.fromkeys(job.photo for job in jobs if job.photo not in failed):
        original = open_picture(photo, max_size=640, allow_huge=options.allow_huge).rgb
        mine = [job for job in jobs if job.photo == photo]
        made = [(open_picture(job.output, max_size=640).rgb, stylizers[job.style].metadata.name) for job in mine]
        rows.append([(original, photo.name), *made])
    assert options.sheet is not None  # asked for
    save_image(contact_sheet(rows), options.sheet, overwrite=options.overwrite)
