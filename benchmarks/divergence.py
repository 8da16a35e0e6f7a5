"""Does a recipe of the reference ever run away? Every recipe on pairs of a photo and a painting, for a number of steps.

    python benchmarks/divergence.py --photos VAL --paintings FOLDER --perceptual-weights vgg19.safetensors -o table/

N photos and N paintings, spread evenly over their folders, make N pairs. Networks for which no weights are given have
random filters (see `fastnst.perceptual.random_filters`). A table goes to table.md, all figures to table.json.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from command_line import run_command
from fastnst.commands.optimize import RecipeOptions
from fastnst.hardware import describe_hardware
from fastnst.images.folders import find_images
from fastnst.output_files import write_atomically
from fastnst.progress import track
from fastnst.reference.config import Settings, device_of, prepare
from fastnst.reference.inputs import open_tensor
from fastnst.reference.optimize import Optimized, optimize
from fastnst.reference.recipes import read_variants
from fastnst.standard_streams import print_message, print_result

RECIPES = Path(__file__).parents[1] / "configs" / "reference"


@dataclass(frozen=True)
class Descended:
    """One descent.

    Attributes:
        restarts: how often it was set back to the best picture.
        refused: steps of L-BFGS that raised the objective, and were tried again shorter.
        worst: the largest trial objective, in units of the lowest before it.
        end: the lowest objective, in units of the start's.
    """

    recipe: str
    photo: str
    painting: str
    restarts: int
    refused: int
    worst: float
    end: float

    @classmethod
    def of(cls, recipe: str, photo: Path, painting: Path, run: Optimized) -> Descended:
        """What a run's history says."""
        totals = [step.terms["total"] for step in run.history]
        best = np.fmin.accumulate(totals)
        trials = zip(totals[1:], best, strict=False)
        ratios = [total / low if math.isfinite(total) else math.inf for total, low in trials]
        refused = int(sum(ratio > 1 for ratio in ratios))
        return cls(
            recipe, photo.name, painting.name, run.restarts, refused, float(max(ratios)), float(best[-1] / totals[0])
        )


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", type=Path, help="default: all of configs/reference")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--perceptual-weights", metavar="FILE", help="of VGG-19")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run all of them; 1 if one had to be set back."""
    options = build_parser().parse_args(argv)
    recipes = options.recipes or sorted(RECIPES.glob("*.yaml"))
    photos, paintings = (_spread(find_images([one]), options.pairs) for one in (options.photos, options.paintings))
    pairs = list(zip(photos, paintings, strict=True))
    found: list[Descended] = []
    for recipe in recipes:
        variants, _ = read_variants(recipe, {}, RecipeOptions())
        for variant in variants:
            settings = _shortened(variant.settings, options)
            label = f"{recipe.stem}{f' ({variant.label})' if variant.label else ''}"
            if settings.perceptual.weights == "random":
                label += ", random filters"
            for photo, painting in track(pairs, label):
                found.append(_descended(label, settings, photo, painting))
                print_message(f"{found[-1]}")
    device = describe_hardware(device_of(prepare(settings, [pairs[0][1]])))
    heading = f"{len(pairs)} pairs at {options.size} px, {options.steps} evaluations, {device}"
    table = f"{heading}\n\n{_table(found)}\n"
    content = {"heading": heading, "descents": [asdict(one) for one in found]}
    for name, text in (("table.md", table), ("table.json", json.dumps(content, indent=2) + "\n")):
        with write_atomically(options.output / name, overwrite=True) as partial:
            partial.write_text(text, encoding="utf-8")
    print_result(table)
    return int(any(one.restarts for one in found))


def _spread(paths: list[Path], count: int) -> list[Path]:
    return [paths[index] for index in np.linspace(0, len(paths) - 1, count).round().astype(int)]


def _shortened(settings: Settings, options: argparse.Namespace) -> Settings:
    own = settings.perceptual
    if own.name == "vgg19" and options.perceptual_weights:
        perceptual = replace(own, weights_file=options.perceptual_weights)
    else:
        perceptual = replace(own, weights="random")
    return replace(
        settings, perceptual=perceptual, size=options.size, descent=replace(settings.descent, steps=options.steps)
    )


def _descended(label: str, settings: Settings, photo: Path, painting: Path) -> Descended:
    objective = prepare(settings, [painting])
    pixels = open_tensor(photo, settings.size).to(device_of(objective))
    return Descended.of(label, photo, painting, optimize(pixels, objective, settings.descent))


def _table(found: list[Descended]) -> str:
    lines = [
        "| recipe | set back | steps refused, median | largest trial objective, times the best | objective at the end,"
        " times the start's |",
        "|---|---|---|---|---|",
    ]
    for label in dict.fromkeys(one.recipe for one in found):
        mine = [one for one in found if one.recipe == label]

        def over(field: str, mine: list[Descended] = mine) -> list[Any]:
            return [getattr(one, field) for one in mine]

        lines.append(
            f"| {label} | {sum(over('restarts'))} of {len(mine)} | {np.median(over('refused')):.0f} |"
            f" {max(over('worst')):.2f} | {np.median(over('end')):.2g} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(main)
