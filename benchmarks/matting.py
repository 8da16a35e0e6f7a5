"""Matting models side by side on held-out portraits: errors of their mattes, and time.

    python benchmarks/matting.py PORTRAITS --models ours modnet my.onnx [--views whole upper 1.5 2 3] [-o report/]
    python benchmarks/matting.py PORTRAITS --nobody PHOTO_OR_FOLDER…

PORTRAITS holds pairs in image/ and matte/. A view says what of each portrait is shown: `whole`, `upper` (the square
around the upper body), `sideways` (whole, turned by a quarter), or a number (the square of so many heads around the
head: a face that fills the frame). Every model is measured on every portrait, one after the other, so that all see the
same machine; each twice: as the network says it (enlarged, as MODNet's demos do), and as photos get it, refined to the
photo's edges. Errors are the papers' (MSE, MAD, gradient error × 1000, IoU at one half) at the photos' size; coverage
is how much of the true matte is found. With --nobody it also counts the photos without people in which each finds
somebody.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from command_line import build_parser, run_command
from fastnst.array_types import FloatArray, UInt8Image
from fastnst.contact_sheet import Cell, contact_sheet
from fastnst.errors import ConfigError
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.images.folders import find_images
from fastnst.matting.crops import centred_square, head_square
from fastnst.matting.pairs import PortraitPairs
from fastnst.metrics.matting import coverage, measure
from fastnst.runtime.portrait.matting_model import MODELS, MattingModel, has_person, resolve_matting_model

_MEASURES = ("mse", "mad", "gradient", "iou", "coverage")
_NAMED_VIEWS = ("whole", "upper", "sideways")
_SHEET_PORTRAITS = 8  # portraits on the sheet of a view
_MIN_PERSON_SHARE = 0.1  # share of a view; in less there is nothing to measure


def check_view(view: str) -> str:
    """The view itself. Raises `ConfigError` for none that is known."""
    try:
        known = view in _NAMED_VIEWS or 0.5 <= float(view) <= 10
    except ValueError:
        known = False
    if not known:
        raise ConfigError(f"'{view}' is not a view: {', '.join(_NAMED_VIEWS)}, or a number of heads from 0.5 to 10.")
    return view


def portrait(pairs: PortraitPairs, index: int, view: str) -> tuple[UInt8Image, FloatArray] | None:
    """Photo uint8 `[H, W, 3]` and true matte float `[H, W]` as seen in a view; None where it shows hardly anybody."""
    image, matte = pairs.open(index)
    if view == "sideways":
        image, matte = image.transpose(Image.Transpose.ROTATE_90), matte.transpose(Image.Transpose.ROTATE_90)
    elif view != "whole":
        levels = np.asarray(matte)
        square = centred_square(levels, upper=True) if view == "upper" else head_square(levels, float(view))
        if square is None:
            return None
        left, top, right, bottom = (round(edge) for edge in square)
        image, matte = image.crop((left, top, right, bottom)), matte.crop((left, top, right, bottom))
    truth = np.asarray(matte, np.float64) / 255
    return (np.asarray(image), truth) if truth.mean() >= _MIN_PERSON_SHARE or view in _NAMED_VIEWS else None


def timed(find: Callable[[UInt8Image], FloatArray], photo: UInt8Image) -> tuple[FloatArray, float]:
    """The matte and its milliseconds."""
    started = time.perf_counter()
    alpha = find(photo)
    return alpha, 1000 * (time.perf_counter() - started)


def compare(
    models: dict[str, MattingModel], pairs: PortraitPairs, indices: list[int], view: str
) -> tuple[dict[str, Any], list[list[Cell]]]:
    """One view's means over the portraits, and rows for the sheet."""
    found: dict[str, list[dict[str, float]]] = {}
    sheet: list[list[Cell]] = []
    count = 0
    for number, index in enumerate(indices):
        sample = portrait(pairs, index, view)
        if sample is None:
            continue
        photo, truth = sample
        count += 1
        cells: list[Cell] = [(Image.fromarray(photo), pairs.pairs[index][0].stem), (picture(truth), "true")]
        for name, model in models.items():
            if count == 1:
                model(photo)  # the first run of a session also compiles
            enlarged = lambda seen, model=model: model(seen, refined=False)  # noqa: E731
            for row, find in ((name, enlarged), (f"{name}, refined", model.people)):
                alpha, milliseconds = timed(find, photo)
                values = {**measure(alpha, truth), "coverage": coverage(alpha, truth), "ms": milliseconds}
                found.setdefault(row, []).append(values)
                cells.append((picture(alpha), row))
        if number % max(1, len(indices) // _SHEET_PORTRAITS) == 0:
            sheet.append(cells)
    if not count:
        raise ConfigError(f"no portrait shows anybody in the view {view}.")
    means = {
        row: {name: float(np.mean([each[name] for each in values])) for name in (*_MEASURES, "ms")}
        for row, values in found.items()
    }
    return {"view": view, "portraits": count, "models": means}, sheet


def false_alarms(models: dict[str, MattingModel], photos: list[Path]) -> dict[str, int]:
    """In how many of the photos each model finds somebody."""
    found = dict.fromkeys(models, 0)
    for path in photos:
        photo = np.asarray(open_image(path))
        for name, model in models.items():
            found[name] += has_person(model.people(photo))
    return found


def table(rows: dict[str, dict[str, float]]) -> str:
    """One line a model."""
    width = max(map(len, rows))
    head = "  ".join(f"{name:>9}" for name in (*_MEASURES, "ms"))
    lines = ["  ".join(f"{row[name]:9.4f}" for name in (*_MEASURES, "ms")) for row in rows.values()]
    named = [f"{name:{width}}  {line}" for name, line in zip(rows, lines, strict=True)]
    return "\n".join([f"{'':{width}}  {head}", *named]) + "\n"


def picture(alpha: FloatArray) -> Image.Image:
    """A matte as a picture."""
    return Image.fromarray(np.rint(alpha * 255).astype(np.uint8))


def options_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = build_parser(__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--models", nargs="+", default=["ours"], help="ours, modnet, or .onnx files")
    parser.add_argument("--views", nargs="+", default=["whole"], help="whole, upper, sideways, or numbers of heads")
    parser.add_argument("--nobody", type=Path, nargs="+", default=[], help="photos without people, or folders of them")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("-o", "--output", type=Path, help="a folder for matting.json and a sheet of each view")
    return parser


def main() -> int:
    options = options_parser().parse_args()
    views = [check_view(view) for view in options.views]
    pairs, empty = PortraitPairs(options.portraits), find_images(options.nobody)
    paths = {name: resolve_matting_model(name) if name in MODELS else Path(name) for name in options.models}
    models = {  # files go by their names: where they lie is nobody's business in a report
        name if name in MODELS else Path(name).stem: MattingModel(path, options.provider, options.threads)
        for name, path in paths.items()
    }
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(options.limit, len(pairs))).round().astype(int)).tolist()
    engines = {name: model.provider for name, model in models.items()}
    result: dict[str, Any] = {"engines": engines, "views": []}
    for view in views:
        measured, sheet = compare(models, pairs, chosen, view)
        sys.stdout.write(f"{measured['portraits']} portraits of {options.portraits}, {view}\n")
        sys.stdout.write(table(measured["models"]))
        result["views"].append(measured)
        if options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            save_image(contact_sheet(sheet, cell=200), options.output / f"matting_{view}.jpg", overwrite=True)
    if empty:
        alarms = false_alarms(models, empty)
        result["nobody"] = {"photos": len(empty), "found": alarms}
        for name, count in alarms.items():
            sys.stdout.write(f"{name} finds somebody in {count} of {len(empty)} photos without people\n")
    if options.output:
        (options.output / "matting.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    run_command(main)
