"""`fastnst matte PHOTO|FOLDER|CLIP… -o OUT`: the alpha matte, a cut-out, or a composite over another background."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.commands import video
from fastnst.commands.options.engine import EngineOptions, add_engine_options, read_engine_options
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.photos import PhotoOptions, add_inputs, add_photo_options, read_photo_options
from fastnst.commands.options.portrait import (
    MattingOptions,
    add_background_options,
    add_matting_options,
    read_matting_options,
)
from fastnst.commands.options.video import ClipOptions, add_clip_options, is_clip, read_clip_options
from fastnst.commands.photo_batch import Endings, Job, plan_batch, remarks_on, report, run_batch
from fastnst.commands.resume_settings import clip_settings, portrait_settings
from fastnst.errors import ConfigError, ImageError, suggest
from fastnst.images.decode import open_picture
from fastnst.images.encode import check_writable, save_image, save_picture
from fastnst.images.formats import OPAQUE
from fastnst.images.picture import Picture
from fastnst.runtime.portrait.compositing import estimate_foreground
from fastnst.runtime.portrait.compositor import STYLE_PREFIX, Portrait, PortraitOptions, cut_out
from fastnst.runtime.portrait.matte_files import with_layers
from fastnst.runtime.portrait.matting_model import MattingModel, has_person

KINDS = ("alpha", "cutout", "composite")


@dataclass(frozen=True)
class MatteOptions:
    """The options of `fastnst matte`.

    Attributes:
        photos: what goes in and where results go.
        kind: one of `KINDS`.
        portrait: what stands behind people in a composite.
    """

    photos: PhotoOptions
    kind: str
    portrait: PortraitOptions
    matting: MattingOptions
    engine: EngineOptions
    clip: ClipOptions


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Tell people from the background: mattes, cut-outs, composites.")
    add_inputs(parser)
    parser.add_argument(
        "--write", metavar="KIND", help="alpha, cutout or composite (default: alpha; composite with --background)"
    )
    add_background_options(parser)
    add_matting_options(parser)
    add_photo_options(parser)
    add_engine_options(parser)
    add_clip_options(parser)
    return parser


def read_options(arguments: argparse.Namespace) -> MatteOptions:
    """The parsed options, checked as far as that needs no file; raises `ConfigError`."""
    kind = _checked_kind(arguments.write, arguments.background, arguments.texture_factor)
    return MatteOptions(
        read_photo_options(arguments),
        kind,
        # Nothing is restyled here: `person` is the person as it is.
        PortraitOptions(
            "cutout" if kind == "cutout" else "person", arguments.background, texture_factor=arguments.texture_factor
        ),
        read_matting_options(arguments),
        read_engine_options(arguments),
        read_clip_options(arguments),
    )


def main(argv: list[str], prog: str = "fastnst matte") -> int:
    """Run the command: 0, or 1 if some pictures of several failed; raises `FastNSTError` if nothing can be done."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = read_options(build_parser(prog).parse_args(argv))
    photos = options.photos
    if is_clip(photos.inputs, photos.output, options.clip):
        return _run_clip(options)
    if options.kind == "cutout" and photos.output.suffix.lower() in OPAQUE:
        suffix = photos.output.suffix
        raise ConfigError(f"a cutout needs transparency, which {suffix} has not: use .png, .webp or .tiff.")
    plan = plan_batch(photos, [(options.kind, options.kind)], Endings(still=".png"), KINDS)
    started = time.perf_counter()
    matting = options.matting.open(options.engine) if plan.jobs else None
    portrait = Portrait(options.portrait, matting) if options.kind == "composite" else None
    make = partial(_make, matting=matting, portrait=portrait, options=options)
    outcome = run_batch(plan.jobs, make, "matting", len(plan.existing))
    engine = str(matting.provider) if matting else ""
    report(plan, outcome, photos, time.perf_counter() - started, engine)
    return 1 if outcome.failures else 0


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
        raise ConfigError(f"--background {background} restyles: use fastnst stylize --portrait background for that.")
    return kind


def _run_clip(options: MatteOptions) -> int:
    from fastnst.runtime.video.stages import FrameMattes

    options.matting.refuse_matte_file()
    photos = options.photos
    photos.check_for_clip()
    source = video.one_clip(photos.inputs, photos.output)
    job = video.ClipJob(source, photos.output, options.clip, photos.max_size, photos.overwrite)
    job = replace(job, output=video.place_for(job, options.kind))
    video.check_paths(job)
    target, place = video.open_target(job)
    if options.kind == "cutout" and place == "video":
        raise ConfigError(
            "a cutout needs transparency, which a video has not: name a folder for PNG pictures, or an animated .webp."
        )
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


def _make(
    job: Job[str], *, matting: MattingModel | None, portrait: Portrait | None, options: MatteOptions
) -> list[str]:
    photos = options.photos
    if job.moves:
        return _make_moving(job, matting, options)
    picture = open_picture(job.photo, max_size=photos.max_size, allow_huge=photos.allow_huge)
    check_writable(job.output, picture.rgb.size)
    photo = np.asarray(picture.rgb)
    alpha = options.matting.read_matte(job.photo, picture.rgb.size, photos.max_size)
    if alpha is None:
        assert matting is not None  # it is opened unless a matte is given
        alpha = matting.people(photo)
    if options.kind == "alpha":
        if not has_person(alpha):
            logging.getLogger(__name__).warning("no person was found in %s: its matte is nearly empty.", job.photo)
        matte = Image.fromarray(np.rint(alpha * 255).astype(np.uint8))
        save_image(matte, job.output, overwrite=photos.overwrite)
    else:
        layers = _layers(picture, photo, alpha, portrait)
        save_picture(layers, job.output, overwrite=photos.overwrite, profile=photos.profile)
    return remarks_on(picture)


def _make_moving(job: Job[str], matting: MattingModel | None, options: MatteOptions) -> list[str]:
    from fastnst.runtime.video.stages import FrameMattes

    options.matting.refuse_matte_file()
    assert matting is not None  # there is no matte file
    photos = options.photos
    clip = video.ClipJob(job.photo, job.output, options.clip, photos.max_size, photos.overwrite)
    portrait = Portrait(options.portrait, matting, video=True)
    return video.convert_among_photos(clip, FrameMattes(portrait, options.kind))


def _layers(picture: Picture, photo: UInt8Image, alpha: FloatPlane, portrait: Portrait | None) -> Picture:
    if portrait is not None:
        return with_layers(picture, portrait(photo, photo, alpha))
    if not has_person(alpha):
        raise ImageError("no person was found: there is nothing to cut out.")
    return with_layers(picture, cut_out(estimate_foreground(photo, alpha).foreground, alpha))
