"""`fastnst optimize PHOTO --style PAINTING… -o OUT`: the reference, one picture or a sweep of settings."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from fastnst.commands.options.parser import Parser
from fastnst.commands.options.reference import add_settings, settings_of_arguments
from fastnst.errors import ConfigError, OutputError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.images.formats import SUFFIXES
from fastnst.interrupts import interrupts_deferred
from fastnst.output_files import check_output
from fastnst.progress import progress
from fastnst.reference.config import Settings, check_size, device_of, prepare
from fastnst.reference.film import Film
from fastnst.reference.gallery import Entry, curve_table, draw_curves, write_sheet, write_terms
from fastnst.reference.inputs import named_colour, open_mask, open_tensor
from fastnst.reference.optimize import Step, Watcher, optimize, terms_in_words
from fastnst.reference.recipes import Variant, read_variants
from fastnst.runtime.imaging.color import transfer_luminance
from fastnst.standard_streams import print_result


@dataclass(frozen=True)
class RecipeOptions:
    """Options of the command that a recipe may set as well; None is not given.

    Attributes:
        background: colour to put outside the matte first.
        preserve_color: keep the photo's colours.
        curve: print and draw the losses over the steps.
        every: also save the picture at every N-th step.
        film: make a film, named after the picture.
    """

    background: str | None = None
    preserve_color: bool | None = None
    curve: bool | None = None
    every: int | None = None
    film: bool | None = None


@dataclass(frozen=True)
class Request:
    """The options of the command, but the settings that may be swept."""

    photo: Path
    style: tuple[Path, ...]
    painting_weights: tuple[float, ...] | None
    output: Path
    content_mask: Path | None
    style_mask: Path | None
    matte: Path | None
    video: Path | None
    overwrite: bool
    recipe: RecipeOptions


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog=prog, description="Restyle one photo by optimizing its pixels: slow, and the measure of everything else."
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--style", nargs="+", type=Path, required=True, metavar="PAINTING", help="one or more paintings"
    )
    parser.add_argument("--painting-weights", nargs="+", type=float, metavar="WEIGHT", help="one a painting")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="a picture; a folder for a sweep"
    )
    parser.add_argument("--content-mask", type=Path, metavar="FILE", help="where the photo's content counts")
    parser.add_argument("--style-mask", type=Path, metavar="FILE", help="where the style is taken")
    parser.add_argument("--matte", type=Path, metavar="FILE", help="of the person, for --background")
    parser.add_argument("--background", metavar="COLOUR", help="put outside the matte first: a name or #rrggbb")
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--preserve-color", action=switch, help="keep the photo's colours")
    parser.add_argument("--curve", action=switch, help="print and draw the losses over the steps")
    parser.add_argument("--every", type=int, metavar="N", help="also save the picture at every N-th step")
    parser.add_argument("--video", type=Path, metavar="FILE", help="a film of the optimization (.mp4)")
    parser.add_argument("--film", action=switch, help="the same, named after the picture")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    add_settings(parser)
    return parser


def main(argv: list[str], prog: str = "fastnst optimize") -> int:
    """Run the command: 0, or 130 after Ctrl-C (the best picture so far is saved)."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    request, variants = read_request(build_parser(prog).parse_args(argv))
    outputs = _check(request, variants)
    entries: list[Entry] = []
    for variant, output in zip(variants, outputs, strict=True):
        entry = _run(variant, request, output)
        if not entry.run.history:  # interrupted before anything was made
            break
        entries.append(entry)
        last = entry.run.history[-1]
        print_result(f"{output}: {last.number} steps in {last.seconds:.1f} s, {terms_in_words(last)}\n")
        if entry.run.interrupted:
            break
    if not entries:
        raise KeyboardInterrupt
    _summarize(entries, request, sweep=len(variants) > 1)
    return 130 if len(entries) < len(variants) or entries[-1].run.interrupted else 0


def read_request(options: argparse.Namespace) -> tuple[Request, list[Variant]]:
    """The parsed options and their recipe as typed values. Raises `ConfigError` for what means nothing."""
    own = RecipeOptions(**{entry.name: getattr(options, entry.name) for entry in fields(RecipeOptions)})
    variants, own = read_variants(options.config, settings_of_arguments(options), own)
    weights = options.painting_weights
    video = options.video or (options.output.with_suffix(".mp4") if own.film else None)
    request = Request(
        options.photo, tuple(options.style), tuple(weights) if weights else None, options.output, options.content_mask,
        options.style_mask, options.matte, video, options.overwrite, own,
    )  # fmt: skip
    return request, variants


def _check(request: Request, variants: list[Variant]) -> list[Path]:
    """The path of each variant's picture; raises for whatever would fail after the work is done."""
    own, output = request.recipe, request.output
    if own.every is not None and own.every < 1:
        raise ConfigError(f"--every must be at least 1, not {own.every}.")
    if own.background is not None and request.matte is None:
        raise ConfigError(f"a {own.background} background needs the person's matte: give its file with --matte.")
    if request.matte is not None and own.background is None:
        raise ConfigError("--matte needs --background, the colour to put outside the person.")
    outputs = [output]
    if len(variants) > 1:
        if request.video:
            raise ConfigError("--video takes one variant, not a sweep.")
        if output.suffix.lower() in SUFFIXES:
            raise OutputError(f"a sweep of {len(variants)} pictures needs a folder, not the file {output}.")
        outputs = [output / f"{number:03}.png" for number in range(1, len(variants) + 1)]
        outputs_too = [output / "sheet.jpg", output / "terms.csv"]
    elif output.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{output} has no picture suffix that can be written: use {', '.join(SUFFIXES)}.")
    else:
        outputs_too = []
    outputs_too += [_curve_path(output)] if own.curve else []
    for path in [*outputs, *outputs_too]:
        check_output(path, overwrite=request.overwrite)
    return outputs


def _run(variant: Variant, request: Request, output: Path) -> Entry:
    settings = variant.settings
    objective = prepare(settings, request.style, request.painting_weights)
    photo, masks = _inputs(request, settings)
    device = device_of(objective)
    photo = photo.to(device)
    check_size(settings, objective, photo)
    film = Film(request.video, settings.descent.steps, overwrite=request.overwrite) if request.video else None
    total = settings.descent.steps * settings.descent.scales
    with film or contextlib.nullcontext(), progress(variant.label or "optimizing", total) as bar:

        def watch(step: Step, image: Tensor) -> None:
            bar.advance(text=terms_in_words(step))
            _keep_step(step, image, request, film, output)

        watcher: Watcher = watch
        run = optimize(
            photo,
            objective,
            settings.descent,
            masks={term: mask.to(device) for term, mask in masks.items()},
            watcher=watcher,
        )
    picture = from_unit_floats(run.image[0].numpy())
    if request.recipe.preserve_color:
        kept = np.asarray(from_unit_floats(photo[0].cpu().numpy()))
        picture = Image.fromarray(transfer_luminance(kept, np.asarray(picture)))
    if run.history:
        with interrupts_deferred():
            save_image(picture, output, overwrite=request.overwrite)
    return Entry(variant.label, picture, run)


def _inputs(request: Request, settings: Settings) -> tuple[Tensor, dict[str, Tensor]]:
    """The photo, its background replaced if asked for, and the masks by the term that they are for."""
    photo = open_tensor(request.photo, settings.size)
    paths = {"content": request.content_mask, "style": request.style_mask}
    if not (request.matte or any(paths.values())):
        return photo, {}
    original = open_image(request.photo).size
    if request.matte:
        matte = open_mask(request.matte, photo, original)
        photo = photo * matte + _colour(request.recipe.background or "") * (1 - matte)
    return photo, {term: open_mask(path, photo, original) for term, path in paths.items() if path}


def _colour(name: str) -> Tensor:
    import torch

    pixel = Image.new("RGB", (1, 1), named_colour(name))
    return torch.from_numpy(to_unit_floats(pixel))[None]


def _keep_step(step: Step, image: Tensor, request: Request, film: Film | None, output: Path) -> None:
    """Put a step into the film, and into a file of its own at every N-th."""
    saves = request.recipe.every is not None and step.number % request.recipe.every == 0
    if film is None and not saves:
        return
    picture = from_unit_floats(image[0].float().cpu().numpy())
    if film is not None:
        film.add(np.asarray(picture))
    if saves:
        path = output.with_name(f"{output.stem}_{step.number:05}{output.suffix}")
        save_image(picture, path, overwrite=request.overwrite)


def _summarize(entries: list[Entry], request: Request, *, sweep: bool) -> None:
    if sweep:
        photo = open_image(request.photo, max_size=640)
        paintings = [(open_image(path, max_size=640), "painting") for path in request.style]
        sheet, terms = request.output / "sheet.jpg", request.output / "terms.csv"
        write_sheet(entries, sheet, before=[(photo, "photo"), *paintings], overwrite=request.overwrite)
        write_terms(entries, terms, overwrite=request.overwrite)
        print_result(f"{sheet}: all of them; {terms}: their terms and times\n")
    if request.recipe.curve:
        curve = _curve_path(request.output)
        draw_curves(entries, curve, overwrite=request.overwrite)
        print_result(f"{curve_table(entries)}\n{curve}: the curves\n")


def _curve_path(output: Path) -> Path:
    if output.suffix.lower() in SUFFIXES:
        return output.with_name(f"{output.stem}_curve.png")
    return output / "curve.png"
