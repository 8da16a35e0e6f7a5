"""`fastnst optimize PHOTO --style PAINTING… -o OUT`: the reference, one picture or a sweep of settings."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from torch import Tensor

from fastnst.commands.options.parser import Parser
from fastnst.commands.options.reference import add_settings, read_variants
from fastnst.errors import ConfigError, OutputError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.images.formats import SUFFIXES
from fastnst.output_files import check_output
from fastnst.progress import progress_bar
from fastnst.reference.config import Settings, check_size, prepare
from fastnst.reference.film import Film
from fastnst.reference.gallery import Entry, curve_table, draw_curves, write_sheet, write_terms
from fastnst.reference.inputs import open_mask, open_tensor
from fastnst.reference.optimize import Step, Watcher, optimize
from fastnst.runtime.imaging.color import transfer_luminance

_RECIPE_OPTIONS = ("background", "preserve_color", "curve", "every", "film")


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
    parser.add_argument("--preserve-color", action="store_true", help="keep the photo's colours")
    parser.add_argument("--curve", action="store_true", help="print and draw the losses over the steps")
    parser.add_argument("--every", type=int, metavar="N", help="also save the picture at every N-th step")
    parser.add_argument("--video", type=Path, metavar="FILE", help="a film of the optimization (.mp4)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    add_settings(parser, _RECIPE_OPTIONS)
    parser.set_defaults(film=False)
    return parser


def main(argv: list[str], prog: str = "fastnst optimize") -> int:
    """Run the command: 0, or 130 after Ctrl-C (the best picture so far is saved)."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    variants = read_variants(options)
    outputs = _check(options, variants)
    entries: list[Entry] = []
    for (label, settings), output in zip(variants, outputs, strict=True):
        entry = _run(label, settings, options, output)
        entries.append(entry)
        last = entry.run.history[-1]
        sys.stdout.write(
            f"{output}: {last.number} steps in {last.seconds:.1f} s, content {last.terms['content']:.4g},"
            f" style {last.terms['style']:.4g}, total {last.terms['total']:.4g}\n"
        )
        if entry.run.interrupted:
            break
    _summarize(entries, options, sweep=len(variants) > 1)
    return 130 if entries[-1].run.interrupted else 0


def _check(options: argparse.Namespace, variants: list[tuple[str, Settings]]) -> list[Path]:
    """Where each variant's picture goes; raises for whatever would fail after the work is done."""
    if options.every is not None and options.every < 1:
        raise ConfigError(f"--every must be at least 1, not {options.every}.")
    if options.background is not None and options.matte is None:
        raise ConfigError(f"a {options.background} background needs the person's matte: give its file with --matte.")
    if options.matte is not None and options.background is None:
        raise ConfigError("--matte needs --background, the colour to put outside the person.")
    if options.film and options.video is None:
        options.video = options.output.with_suffix(".mp4")
    outputs = [options.output]
    if len(variants) > 1:
        if options.video:
            raise ConfigError("--video takes one variant, not a sweep.")
        if options.output.suffix.lower() in SUFFIXES:
            raise OutputError(f"a sweep of {len(variants)} pictures needs a folder, not the file {options.output}.")
        outputs = [options.output / f"{number:03}.png" for number in range(1, len(variants) + 1)]
        outputs_too = [options.output / "sheet.jpg", options.output / "terms.csv"]
    elif options.output.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{options.output} has no picture suffix that can be written: use {', '.join(SUFFIXES)}.")
    else:
        outputs_too = []
    outputs_too += [_curve_path(options)] if options.curve else []
    for path in [*outputs, *outputs_too]:
        check_output(path, overwrite=options.overwrite)
    return outputs


def _run(label: str, settings: Settings, options: argparse.Namespace, output: Path) -> Entry:
    objective = prepare(settings, options.style, options.painting_weights)
    photo, masks = _inputs(options, settings)
    device = next(objective.perceptual.convolutions.parameters()).device
    photo = photo.to(device)
    check_size(settings, objective, photo)
    film = Film(options.video, settings.descent.steps, overwrite=options.overwrite) if options.video else None
    total = settings.descent.steps * settings.descent.scales
    with film or contextlib.nullcontext(), progress_bar(total, label or "optimizing") as bar:
        run = optimize(
            photo,
            objective,
            settings.descent,
            content_mask=None if masks[0] is None else masks[0].to(device),
            style_mask=None if masks[1] is None else masks[1].to(device),
            watcher=_watchers(bar, film, options, output),
        )
    picture = from_unit_floats(run.image[0].numpy())
    if options.preserve_color:
        kept = np.asarray(from_unit_floats(photo[0].cpu().numpy()))
        picture = Image.fromarray(transfer_luminance(kept, np.asarray(picture)))
    save_image(picture, output, overwrite=options.overwrite)
    return Entry(label, picture, run)


def _inputs(options: argparse.Namespace, settings: Settings) -> tuple[Tensor, tuple[Tensor | None, Tensor | None]]:
    photo = open_tensor(options.photo, settings.size)
    original = open_image(options.photo).size if (options.matte or options.content_mask or options.style_mask) else None
    if options.matte:
        assert original is not None
        matte = open_mask(options.matte, photo, original)
        photo = photo * matte + _colour(options.background) * (1 - matte)
    masks = [
        open_mask(path, photo, original) if path and original else None
        for path in (options.content_mask, options.style_mask)
    ]
    return photo, (masks[0], masks[1])


def _colour(name: str) -> Tensor:
    import torch

    try:
        pixel = Image.new("RGB", (1, 1), ImageColor.getrgb(name)[:3])
    except ValueError as error:
        raise ConfigError(
            f"unknown colour '{name}' for --background: give a name such as black, or #rrggbb."
        ) from error
    return torch.from_numpy(to_unit_floats(pixel))[None]


def _watchers(bar: Watcher, film: Film | None, options: argparse.Namespace, output: Path) -> Watcher:
    def watch(step: Step, image: Tensor) -> None:
        bar(step, image)
        saves = options.every is not None and step.number % options.every == 0
        if film is None and not saves:
            return
        picture = from_unit_floats(image[0].float().cpu().numpy())
        if film is not None:
            film.add(np.asarray(picture))
        if saves:
            path = output.with_name(f"{output.stem}_{step.number:05}{output.suffix}")
            save_image(picture, path, overwrite=options.overwrite)

    return watch


def _summarize(entries: list[Entry], options: argparse.Namespace, *, sweep: bool) -> None:
    if sweep:
        photo = open_image(options.photo, max_size=640)
        paintings = [(open_image(path, max_size=640), "painting") for path in options.style]
        sheet, terms = options.output / "sheet.jpg", options.output / "terms.csv"
        write_sheet(entries, sheet, before=[(photo, "photo"), *paintings], overwrite=options.overwrite)
        write_terms(entries, terms, overwrite=options.overwrite)
        sys.stdout.write(f"{sheet}: all of them; {terms}: their terms and times\n")
    if options.curve:
        draw_curves(entries, _curve_path(options), overwrite=options.overwrite)
        sys.stdout.write(f"{curve_table(entries)}\n{_curve_path(options)}: the curves\n")


def _curve_path(options: argparse.Namespace) -> Path:
    if options.output.suffix.lower() in SUFFIXES:
        return Path(options.output).with_name(f"{options.output.stem}_curve.png")
    return Path(options.output) / "curve.png"
