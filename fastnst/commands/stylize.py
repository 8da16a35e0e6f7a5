"""`fastnst stylize PHOTO|FOLDER|CLIP… --style NAME|FILE.onnx -o OUT`; clips go on to `commands/video.py`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from fastnst.commands import video
from fastnst.commands.options.engine import EngineOptions, add_engine_options, read_engine_options
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.photos import PhotoOptions, add_inputs, add_photo_options, read_photo_options
from fastnst.commands.options.portrait import (
    MattingOptions,
    add_portrait_options,
    open_portrait,
    read_matting_options,
    read_portrait_options,
)
from fastnst.commands.options.refine import RefineOptions, add_refine_options, read_refine_options
from fastnst.commands.options.style import (
    StyleRequest,
    add_smooth_option,
    add_style_options,
    read_restyle_options,
    read_style_request,
)
from fastnst.commands.options.video import ClipOptions, add_batch_option, add_clip_options, is_clip, read_clip_options
from fastnst.commands.photo_batch import Endings, Job, Plan, plan_batch, remarks_on, report, run_batch
from fastnst.commands.refinement import Refiner, refinement
from fastnst.contact_sheet import Cell, check_rows, contact_sheet, in_rows
from fastnst.errors import ConfigError, FastNSTError, ImageError, OutputError
from fastnst.images.decode import open_picture
from fastnst.images.encode import check_writable, save_image, save_pages
from fastnst.images.formats import OPAQUE, SUFFIXES, WRITABLE
from fastnst.images.picture import Picture
from fastnst.output_files import check_output
from fastnst.printable import printable
from fastnst.runtime.finishing import Finisher, RestyleOptions
from fastnst.runtime.models.catalog import available_styles
from fastnst.runtime.models.style_spec import StyleChoice
from fastnst.runtime.portrait.compositor import PortraitOptions
from fastnst.runtime.portrait.matte_files import with_layers
from fastnst.runtime.stylizer import Stylizer
from fastnst.runtime.tiling import parse_tile
from fastnst.standard_streams import print_result


@dataclass(frozen=True)
class StylizeOptions:
    """The options of `fastnst stylize`.

    Attributes:
        photos: what goes in and where results go.
        restyling: strength, colours, strokes.
        tile: megapixels that are computed at once, `auto` or `off`.
        format: the suffix of all pictures, without its dot; None keeps the photos'.
        quality: of JPEG, WebP, AVIF and HEIC, 1 … 100.
        sheet: a picture of all results.
        refine: per-image optimization that goes on from the style's pictures.
    """

    photos: PhotoOptions
    style: StyleRequest
    restyling: RestyleOptions
    engine: EngineOptions
    portrait: PortraitOptions | None
    matting: MattingOptions
    clip: ClipOptions
    tile: str = "auto"
    format: str | None = None
    quality: int = 95
    sheet: Path | None = None
    refine: RefineOptions | None = None

    @property
    def endings(self) -> Endings:
        """The suffixes of results; a cut-out or a refined one of an animated picture is that of its first frame."""
        is_cutout = self.portrait is not None and self.portrait.mode == "cutout"
        return Endings(f".{self.format}" if self.format else None, moving=not is_cutout and self.refine is None)

    def checked(self) -> StylizeOptions:
        """These options; cut-outs get a format with transparency. Raises `ConfigError` for what means nothing."""
        parse_tile(self.tile)
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality must be between 1 and 100, not {self.quality}.")
        if self.format is not None and f".{self.format}" not in SUFFIXES:
            raise ConfigError(f"unknown format '{self.format}': choose one of {', '.join(SUFFIXES)}.")
        if self.portrait is None or self.portrait.mode != "cutout":
            return self
        asked = f".{self.format}" if self.format else self.photos.output.suffix.lower()
        if asked in OPAQUE:
            raise ConfigError(f"a cutout needs transparency, which {asked} has not: take .png, .webp or .tiff.")
        is_folder = self.format is None and asked not in SUFFIXES
        return replace(self, format="png") if is_folder else self


StyleJob = Job[StyleChoice]


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Restyle photos, folders of photos, and clips.")
    add_inputs(parser)
    add_style_options(parser)
    add_photo_options(parser)
    parser.add_argument(
        "--tile",
        default="auto",
        metavar="MEGAPIXELS",
        help="restyle photos above this size in parts, to save memory; auto: above 8 (default), or off",
    )
    add_engine_options(parser)
    parser.add_argument("--format", metavar="SUFFIX", help="write all pictures as jpg, png, webp, tiff or avif")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG, WebP, AVIF, 1 to 100 (default: 95)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write one sheet of all pictures")
    add_portrait_options(parser)
    add_refine_options(parser)
    clips = add_clip_options(parser)
    add_smooth_option(clips)
    add_batch_option(clips)
    return parser


def read_options(arguments: argparse.Namespace) -> StylizeOptions:
    """The parsed options, checked as far as that needs no file; raises `ConfigError`."""
    return StylizeOptions(
        read_photo_options(arguments),
        read_style_request(arguments),
        read_restyle_options(arguments),
        read_engine_options(arguments),
        read_portrait_options(arguments),
        read_matting_options(arguments),
        read_clip_options(arguments),
        arguments.tile,
        None if arguments.format is None else arguments.format.lower().lstrip("."),
        arguments.quality,
        arguments.sheet,
        read_refine_options(arguments),
    ).checked()


def main(argv: list[str], prog: str = "fastnst stylize") -> int:
    """Run the command: 0, or 1 if some pictures of several failed; raises `FastNSTError` if nothing can be done."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = read_options(build_parser(prog).parse_args(argv))
    photos = options.photos
    if is_clip(photos.inputs, photos.output, options.clip):
        return _run_clip(options)
    styles = options.style.all()
    if options.refine:
        options.refine.check_styles(styles)
    plan = plan_batch(
        photos,
        [(style.name, style) for style in styles],
        options.endings,
        available_styles(),
    )
    for name in options.clip.names_set():
        still = next((job for job in plan.all if not job.moves), None)
        if still is not None:
            raise ConfigError(f"--{name} is for clips: {still.output} is a still picture.")
    if options.sheet:
        _check_sheet(options.sheet, plan, options)
    started = time.perf_counter()
    used = {job.variant for job in plan.jobs}
    stylizers = {style: Stylizer(style, options.engine.provider, options.engine.threads) for style in used}
    portrait = None
    if plan.jobs:
        portrait = open_portrait(
            options.portrait, options.matting, options.engine, lambda: options.restyling, tile=options.tile
        )
    finisher = Finisher(options.restyling, portrait)
    with refinement(options.refine, len(plan.jobs)) as refiner:
        make = partial(_make, stylizers=stylizers, finisher=finisher, options=options, refiner=refiner)
        outcome = run_batch(plan.jobs, make, None if refiner else "restyling", len(plan.existing))
    model = next(iter(stylizers.values())).model if stylizers else None
    engine = f"{model.provider}, {model.precision}" if model else ""
    report(plan, outcome, photos, time.perf_counter() - started, engine)
    if options.sheet:
        _write_sheet(options.sheet, plan, {job.photo for job, _ in outcome.failures}, options)
        print_result(f"{printable(options.sheet)}: all of them on one sheet\n")
    if refiner and refiner.interrupted_after is not None:
        return 130
    return 1 if outcome.failures else 0


def _run_clip(options: StylizeOptions) -> int:
    if options.sheet:
        raise ConfigError("--sheet is for photos: leave it out.")
    if options.refine:
        raise ConfigError("--refine is for photos: it takes seconds a picture, and frames would flicker.")
    if options.tile != "auto":
        raise ConfigError("--tile is for photos: reduce a clip with --max-size.")
    photos = options.photos
    photos.check_for_clip()
    source = video.one_clip(photos.inputs, photos.output)
    job = video.ClipJob(source, photos.output, options.clip, photos.max_size, photos.overwrite, options.format or "png")
    return video.restyle(job, options.style, options.restyling, options.engine, options.portrait, options.matting)


def _make(
    job: StyleJob,
    *,
    stylizers: dict[StyleChoice, Stylizer],
    finisher: Finisher,
    options: StylizeOptions,
    refiner: Refiner | None,
) -> list[str]:
    """Restyle one photo, with all its pages where the result can have pages; an animated one with all its frames."""
    photos = options.photos
    if job.moves:
        return _make_moving(job, stylizers[job.variant], options)
    if refiner is not None:
        refiner.next_picture()
    picture = open_picture(job.photo, max_size=photos.max_size, allow_huge=photos.allow_huge)
    check_writable(job.output, picture.rgb.size)
    pages = picture.metadata.pages if WRITABLE[job.output.suffix.lower()].pages else 1
    stylizer = stylizers[job.variant]
    finished, remarks = [_restyled(picture, job, stylizer, finisher, options, refiner)], remarks_on(picture, pages)
    for page in range(1, pages):
        try:
            further = open_picture(job.photo, max_size=photos.max_size, allow_huge=photos.allow_huge, page=page)
            finished.append(_restyled(further, job, stylizer, finisher, options, refiner))
        except ImageError as error:  # the other pages should not pay for it
            remarks.append(f"page {page + 1} left out: {error}")
    save_pages(finished, job.output, overwrite=photos.overwrite, quality=options.quality, profile=photos.profile)
    if refiner is not None and refiner.interrupted_after is not None:
        remarks.append(f"refined for {refiner.interrupted_after} of {refiner.options.steps} iterations: interrupted")
    return remarks


def _make_moving(job: StyleJob, stylizer: Stylizer, options: StylizeOptions) -> list[str]:
    from fastnst.runtime.video.stages import FrameStylist

    restyling, photos = options.restyling, options.photos
    portrait = open_portrait(options.portrait, options.matting, options.engine, lambda: restyling, video=True)
    clip = video.ClipJob(job.photo, job.output, options.clip, photos.max_size, photos.overwrite)
    return video.convert_among_photos(clip, FrameStylist(stylizer, restyling, options.clip.batch, portrait))


def _restyled(
    picture: Picture,
    job: StyleJob,
    stylizer: Stylizer,
    finisher: Finisher,
    options: StylizeOptions,
    refiner: Refiner | None,
) -> Picture:
    photo = np.asarray(picture.rgb)
    try:
        matte = None
        if finisher.portrait is not None:
            matte = options.matting.read_matte(job.photo, picture.rgb.size, options.photos.max_size)
        stylized = (
            photo
            if options.restyling.strength == 0
            else stylizer.restyle(photo, options.restyling.stroke, options.tile)
        )
        if refiner is not None and options.restyling.strength > 0:
            stylized = refiner(photo, stylized, stylizer.metadata)
        return with_layers(picture, finisher(photo, stylized, matte))
    except FastNSTError as error:
        raise ImageError(f"{job.photo}: {error}") from error


def _check_sheet(sheet: Path, plan: Plan[StyleChoice], options: StylizeOptions) -> None:
    """Refuse, before anything is made, a sheet that cannot be written or would replace something of these pictures."""
    check_rows(len({job.photo for job in plan.all}))
    check_output(sheet, overwrite=options.photos.overwrite, inputs={job.photo for job in plan.all})
    if any(sheet.absolute() == job.output.absolute() for job in plan.all):
        raise OutputError(f"{sheet} is a result already: name another file for --sheet.")


def _write_sheet(sheet: Path, plan: Plan[StyleChoice], failed: set[Path], options: StylizeOptions) -> None:
    made: dict[Path, list[StyleJob]] = {}
    for job in plan.all:
        if job.photo not in failed:
            made.setdefault(job.photo, []).append(job)
    rows: list[Sequence[Cell]] = []
    for photo, jobs in made.items():
        original = open_picture(photo, max_size=640, allow_huge=options.photos.allow_huge).on_white()
        results = [(open_picture(job.output, max_size=640).on_white(), job.variant.name) for job in jobs]
        rows.append([(original, photo.name), *results])
    if len(rows) == 1:  # one photo in several styles
        rows = in_rows(rows[0])
    save_image(contact_sheet(rows), sheet, overwrite=options.photos.overwrite)
