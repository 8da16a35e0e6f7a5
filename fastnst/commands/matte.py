"""`fastnst matte PHOTO|FOLDER|CLIP… -o OUT`: the alpha matte, a cut-out, or a composite over another background."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.array_types import FloatPlane
from fastnst.commands import video
from fastnst.commands.options.engine import EngineOptions, add_engine_options, read_engine_options
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.portrait import (
    MattingOptions,
    add_background_options,
    add_matting_options,
    read_matting_options,
)
from fastnst.commands.options.video import ClipOptions, add_clip_options, is_clip, read_clip_options
from fastnst.commands.resume_settings import clip_settings, portrait_settings
from fastnst.errors import ConfigError, ImageError, OutputError, suggest
from fastnst.images.decode import open_picture
from fastnst.images.encode import save_image, save_picture
from fastnst.images.folders import find_images
from fastnst.images.formats import SUFFIXES
from fastnst.images.picture import Picture
from fastnst.output_files import check_output
from fastnst.progress import track
from fastnst.runtime.portrait.compositing import take_apart
from fastnst.runtime.portrait.compositor import STYLE_PREFIX, Portrait, PortraitOptions, cut_out
from fastnst.runtime.portrait.matte_files import read_matte, with_layers
from fastnst.runtime.portrait.matting_model import MattingModel, has_person
from fastnst.runtime.stylizer import check_max_size

KINDS = ("alpha", "cutout", "composite")


@dataclass(frozen=True)
class MatteOptions:
    """What `fastnst matte` was asked for.

    Attributes:
        inputs: photos, folders of photos, or one clip.
        output: a file, or a folder.
        kind: one of `KINDS`.
        portrait: what stands behind people in a composite.
        max_size: reduce photos to this long side in pixels first.
        allow_huge: take pictures that may be decompression bombs.
    """

    inputs: tuple[Path, ...]
    output: Path
    kind: str
    portrait: PortraitOptions
    matting: MattingOptions
    engine: EngineOptions
    clip: ClipOptions
    max_size: int | None = None
    overwrite: bool = False
    allow_huge: bool = False


@dataclass(frozen=True)
class Job:
    """One photo and where its result goes."""

    photo: Path
    output: Path


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Tell people from the background: mattes, cut-outs, composites.")
    parser.add_argument("photos", nargs="+", type=Path, metavar="INPUT", help="photos, folders of photos, or a clip")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a file, or a folder")
    parser.add_argument(
        "--write", metavar="KIND", help="alpha, cutout or composite (default: alpha; composite with --background)"
    )
    add_background_options(parser)
    add_matting_options(parser)
    parser.add_argument("--max-size", type=int, help="reduce photos to this long side in pixels first")
    add_engine_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--allow-huge", action="store_true", help="take pictures above 179 megapixels")
    add_clip_options(parser)
    return parser


def read_options(given: argparse.Namespace) -> MatteOptions:
    """The parsed options, checked as far as that needs no file; raises `ConfigError`."""
    kind = _checked_kind(given.write, given.background, given.texture_factor)
    return MatteOptions(
        tuple(given.photos),
        given.output,
        kind,
        # Nothing is restyled here: `person` is the person as it is.
        PortraitOptions(
            "cutout" if kind == "cutout" else "person", given.background, texture_factor=given.texture_factor
        ),
        read_matting_options(given),
        read_engine_options(given),
        read_clip_options(given),
        None if given.max_size is None else check_max_size(given.max_size),
        given.overwrite,
        given.allow_huge,
    )


def main(argv: list[str], prog: str = "fastnst matte") -> int:
    """Run the command: 0, or 1 if some pictures of several failed; raises `FastNSTError` if nothing can be done."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = read_options(build_parser(prog).parse_args(argv))
    if is_clip(options.inputs, options.output, options.clip):
        return _run_clip(options)
    jobs = plan(list(options.inputs), options.output, options.kind)
    for job in jobs:
        check_output(job.output, overwrite=options.overwrite)
    matting = options.matting.open(options.engine)
    portrait = Portrait(options.portrait, matting) if options.kind == "composite" else None
    started = time.perf_counter()
    failures = _run(jobs, matting, portrait, options)
    for message in failures:
        sys.stderr.write(f"fastnst: {message}\n")
    made = len(jobs) - len(failures)
    where = jobs[0].output if len(jobs) == 1 else options.output
    count = "1 picture" if made == 1 else f"{made} pictures"
    engine = f" ({matting.provider})" if matting else ""
    sys.stdout.write(f"{where}: {count}, {time.perf_counter() - started:.2f} s{engine}\n")
    return 1 if failures else 0


def plan(photos: list[Path], output: Path, kind: str) -> list[Job]:
    """Every photo and where its result goes: the output if that is a file, else `<output>/<photo>_<kind>.png`.

    Raises `ImageError` if there is no photo, `OutputError` if several results would go to one file.
    """
    found = []
    for argument in photos:
        inside = find_images([argument])
        if not inside:
            raise ImageError(f"no photos found in {argument}.")
        found += [(photo, photo.relative_to(argument).parent if argument.is_dir() else Path()) for photo in inside]
    if output.suffix.lower() in SUFFIXES:
        if len(found) > 1:
            raise OutputError(f"{len(found)} pictures cannot go to one file: give a folder instead of {output}.")
        if kind == "cutout" and output.suffix.lower() in (".jpg", ".jpeg"):
            raise ConfigError(f"a cutout needs transparency, which {output.suffix} has not: take .png, .webp or .tiff.")
        return [Job(found[0][0], output)]
    if output.is_file() or (output.suffix and len(found) == 1 and not output.is_dir()):
        raise OutputError(
            f"{output} has no picture suffix that can be written: use {', '.join(SUFFIXES)}, or a folder."
        )
    jobs: dict[Path, Job] = {}
    for photo, relative in found:
        target = output / relative / f"{photo.stem}_{kind}.png"
        if target in jobs:
            target = target.with_name(f"{photo.name.replace('.', '_')}_{kind}.png")
        jobs[target] = Job(photo, target)
    return list(jobs.values())


def _checked_kind(write: str | None, background: str | None, texture_factor: float | None) -> str:
    kind = write or ("composite" if background is not None else "alpha")
    if kind not in KINDS:
        raise ConfigError(f"unknown kind '{kind}'.{suggest(kind, KINDS)} Choose one of: {', '.join(KINDS)}.")
    if kind != "composite":
        for name, value in (("background", background), ("texture-factor", texture_factor)):
            if value is not None:
                raise ConfigError(f"--{name} is for --write composite, not for {kind}.")
        return kind
    if background is None:
        raise ConfigError("a composite needs --background: #rrggbb, blur or a picture file.")
    if background.startswith(STYLE_PREFIX):
        raise ConfigError(f"--background {background} restyles: take fastnst stylize --portrait background for that.")
    return kind


def _run_clip(options: MatteOptions) -> int:
    from fastnst.runtime.video.stages import FrameMattes

    options.matting.refuse_matte_file()
    source = video.one_clip(options.inputs, options.output)
    job = video.ClipJob(source, options.output, options.clip, options.max_size, options.overwrite)
    video.check_paths(job)
    target, place = video.open_target(job)
    if options.kind == "cutout" and place != "folder":
        raise ConfigError(f"a cutout needs transparency, which a {place} has not: name a folder for PNG pictures.")
    clip = video.open_source(job)
    matting = options.matting.open(options.engine)
    assert matting is not None  # there is no matte file
    portrait = Portrait(options.portrait, matting, video=True)
    settings = {
        **clip_settings(job.source, job.clip, job.max_size),
        "write": options.kind,
        **portrait_settings(portrait),
    }
    mattes = FrameMattes(portrait, options.kind, grey=place == "folder")
    return video.convert(clip, mattes, replace(target, settings=settings), portrait, matting.provider)


def _run(jobs: list[Job], matting: MattingModel | None, portrait: Portrait | None, options: MatteOptions) -> list[str]:
    failures = []
    for job in track(jobs, "matting"):
        try:
            _make(job, matting, portrait, options)
        except ImageError as error:
            if len(jobs) == 1:
                raise
            failures.append(f"{job.photo}: {error}")
    if failures and len(failures) == len(jobs):
        raise ImageError(f"none of the {len(jobs)} pictures could be made; the first: {failures[0]}")
    return failures


def _make(job: Job, matting: MattingModel | None, portrait: Portrait | None, options: MatteOptions) -> None:
    picture = open_picture(job.photo, max_size=options.max_size, allow_huge=options.allow_huge)
    photo = np.asarray(picture.rgb)
    alpha = matting.people(photo) if matting else _given_matte(options, picture)
    if options.kind == "alpha":
        if not has_person(alpha):
            logging.getLogger(__name__).warning("no person was found in %s: its matte is nearly empty.", job.photo)
        matte = Image.fromarray(np.rint(alpha * 255).astype(np.uint8))
        save_image(matte, job.output, overwrite=options.overwrite)
        return
    save_picture(_layers(picture, photo, alpha, portrait), job.output, overwrite=options.overwrite)


def _given_matte(options: MatteOptions, picture: Picture) -> FloatPlane:
    assert options.matting.matte is not None  # else there is a model
    return read_matte(options.matting.matte, picture.rgb.size, options.max_size)


def _layers(picture: Picture, photo: np.ndarray, alpha: np.ndarray, portrait: Portrait | None) -> Picture:
    if portrait is not None:
        return with_layers(picture, portrait(photo, photo, alpha))
    if not has_person(alpha):
        raise ImageError("no person was found: there is nothing to cut out.")
    return with_layers(picture, cut_out(take_apart(photo, alpha).foreground, alpha))
