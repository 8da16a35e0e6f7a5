"""`fastnst preview PAINTING`: what a training will aim at, for three style weights, or a first guess of it at once."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from fastnst.checkpoints import load_network
from fastnst.commands.options.parser import Parser
from fastnst.contact_sheet import Cell, contact_sheet
from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.losses.config import ObjectiveConfig
from fastnst.output_files import check_output
from fastnst.perceptual import PerceptualConfig
from fastnst.progress import progress
from fastnst.recipes import read_recipe
from fastnst.reference.config import Settings, device_of, prepare
from fastnst.reference.inputs import open_tensor, photo_list
from fastnst.reference.optimize import OptimizeConfig, Step, optimize, terms_in_words
from fastnst.reference.recipes import read_config
from fastnst.sample import sample_photo
from fastnst.standard_streams import print_result
from fastnst.start.predictor import guess_style
from fastnst.start.shipped import START, find_init

_GUESSED_AT = 384  # pixels at the long side of the painting, as the quick start sees it
_FACTORS = (1 / 3, 1.0, 3.0)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="A few minutes of optimization with the objective of a training configuration;"
        " or, with --instant, what a training begins from: a guess in seconds, without any training.",
    )
    parser.add_argument("painting", type=Path, metavar="PAINTING")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="needed without --instant")
    parser.add_argument("--instant", action="store_true", help="a guess in seconds, on the sample photo or on --photos")
    parser.add_argument("--init", default=START, help="with --instant: the start that is guessed from (default: start)")
    parser.add_argument("--predictor", type=Path, metavar="FILE", help="with --instant: of fastnst train-predictor")
    parser.add_argument("--config", type=Path, metavar="YAML", help="the training configuration to preview")
    parser.add_argument("-o", "--output", type=Path, default=Path("preview.jpg"), help="default: preview.jpg")
    parser.add_argument("--count", type=int, default=2, help="photos (default: 2)")
    parser.add_argument("--size", type=int, default=256, help="long side of the photos in pixels (default: 256)")
    parser.add_argument("--steps", type=int, default=150, help="iterations of L-BFGS (default: 150)")
    parser.add_argument("--perceptual", help="the perceptual network (default: slim, which is quick)")
    parser.add_argument("--perceptual-weights", metavar="FILE", help="a local weights file for it")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst preview") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    for name in ("count", "steps"):
        if getattr(options, name) < 1:
            raise ConfigError(f"--{name} must be at least 1, not {getattr(options, name)}.")
    check_output(options.output, overwrite=options.overwrite, inputs=[options.painting])
    if options.instant:
        return _guess(options)
    if options.photos is None:
        raise ConfigError("name a folder of photos with --photos DIR, or see a guess at once with --instant.")
    base = _settings(options)
    photos = photo_list(options.photos, options.count, options.size)
    weights = [base.objective.weights["style"] * factor for factor in _FACTORS]
    rows: list[list[Cell]] = []
    with progress("previewing", options.steps * len(photos) * len(weights)) as bar:

        def watch(step: Step, _image: torch.Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        for name, photo in photos:
            row: list[Cell] = [(photo, name)]
            for weight in weights:
                settings = replace(base, objective=base.objective.with_weights(style=weight))
                objective = prepare(settings, [options.painting])
                tensor = torch.from_numpy(to_unit_floats(photo))[None].to(device_of(objective))
                run = optimize(tensor, objective, OptimizeConfig(steps=options.steps), watcher=watch)
                if run.interrupted:
                    raise KeyboardInterrupt
                row.append((from_unit_floats(run.image[0].numpy()), f"style weight {weight:.3g}"))
            rows.append(row)
    rows.insert(0, [(open_image(options.painting, max_size=640), options.painting.name)])
    save_image(contact_sheet(rows), options.output, overwrite=options.overwrite)
    print_result(
        f"{options.output}: what --model.objective.style_weight {', '.join(f'{w:g}' for w in weights)} aim at\n"
    )
    return 0


def _guess(options: argparse.Namespace) -> int:
    """The photos as the start restyles them with guessed affines."""
    network, _ = load_network(find_init(options.init))
    guess_style(network, [open_tensor(options.painting, _GUESSED_AT)], path=options.predictor)
    if options.photos is None:
        photos = [("sample photo", open_image(sample_photo()))]
    else:
        photos = photo_list(options.photos, options.count, options.size)
    rows: list[list[Cell]] = []
    painting: Cell = (open_image(options.painting, max_size=640), options.painting.name)
    for name, photo in photos:
        stride = network.stride
        whole = photo.crop((0, 0, photo.width // stride * stride, photo.height // stride * stride))
        with torch.inference_mode():
            restyled = network(torch.from_numpy(to_unit_floats(whole))[None]).clamp(0, 1)
        rows.append([painting, (photo, name), (from_unit_floats(restyled[0].numpy()), "first guess, no training")])
        painting = (None, "")  # beside the first photo only
    save_image(contact_sheet(rows), options.output, overwrite=options.overwrite)
    print_result(f"{options.output}: what a training of {options.painting.name} begins from\n")
    return 0


@dataclass(frozen=True)
class _TrainedView:
    """The paintings as a training sees them."""

    style_size: int = 512
    style_trim: float = 0.0


def _settings(options: argparse.Namespace) -> Settings:
    """The objective of a training configuration (or the defaults of a training) for the reference."""
    config = read_recipe(options.config) if options.config else {}
    model = config.get("model") or {}
    if not isinstance(model, dict):
        raise ConfigError(f"{options.config}: model must hold keys and values, not '{model}'.")
    objective = read_config(ObjectiveConfig, model.get("objective") or {}, f"{options.config}: model.objective")
    seen = {entry.name: model[entry.name] for entry in fields(_TrainedView) if entry.name in model}
    painting = read_config(_TrainedView, seen, f"{options.config}: model")
    trained = read_config(PerceptualConfig, model.get("perceptual") or {}, f"{options.config}: model.perceptual")
    # Terms are relative, so the result is the same with the small network, several times sooner.
    default = (config.get("perceptual") or trained.name) if options.perceptual_weights else "slim"
    return Settings(
        objective.for_pictures(),
        PerceptualConfig(
            options.perceptual or default, weights_file=options.perceptual_weights, padding=trained.padding
        ),
        size=options.size,
        style_size=painting.style_size,
        style_trim=painting.style_trim,
    )
