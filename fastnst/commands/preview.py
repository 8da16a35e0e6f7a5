"""`fastnst preview PAINTING --photos DIR`: what a training will aim at, for three style weights."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

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
from fastnst.reference.compare import photo_list
from fastnst.reference.config import Settings, device_of, prepare
from fastnst.reference.optimize import OptimizeConfig, Step, optimize, terms_in_words
from fastnst.reference.recipes import read_config
from fastnst.standard_streams import say

_FACTORS = (1 / 3, 1.0, 3.0)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog=prog, description="A few minutes of optimization with the objective of a training configuration."
    )
    parser.add_argument("painting", type=Path, metavar="PAINTING")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
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
    check_output(options.output, overwrite=options.overwrite)
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
    say(f"{options.output}: what --model.objective.style_weight {', '.join(f'{w:g}' for w in weights)} aim at\n")
    return 0


@dataclass(frozen=True)
class _Seen:
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
    seen = {entry.name: model[entry.name] for entry in fields(_Seen) if entry.name in model}
    painting = read_config(_Seen, seen, f"{options.config}: model")
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
