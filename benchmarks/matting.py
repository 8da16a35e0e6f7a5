"""Matting models side by side on held-out portraits: errors of their mattes, and time.

    python benchmarks/matting.py PORTRAITS --models ours modnet my.onnx [--upper] [--limit 50] [-o report/]
    python benchmarks/matting.py PORTRAITS --nobody PHOTO_OR_FOLDER…

PORTRAITS holds pairs, image/ and matte/ of the same base names. Every model is measured on every portrait, one after
the other, so that all see the same machine; each twice: as the network says it (enlarged, as MODNet's demos do), and
refined to the photo's edges. Errors are the papers' (MSE, MAD, gradient error × 1000, IoU at one half), at the photos'
size. With --nobody it also counts the photos without people in which each finds somebody.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fastnst.contact_sheet import contact_sheet
from fastnst.errors import FastNSTError
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.images.folders import find_images
from fastnst.matting.data import centred_square
from fastnst.matting.pairs import PortraitPairs
from fastnst.metrics.matting import measure
from fastnst.runtime.portrait.matting_model import MODELS, MattingModel, has_person, resolve_matting_model

_MEASURES = ("mse", "mad", "gradient", "iou")
_SHOWN = 8  # portraits on the sheet


def portrait(pairs: PortraitPairs, index: int, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Photo uint8 `[H, W, 3]` and true matte float `[H, W]`; with `upper`, the square around the upper body."""
    image, matte = pairs.open(index)
    if upper:
        box = tuple(round(edge) for edge in centred_square(np.asarray(matte), upper=True))
        image, matte = image.crop(box), matte.crop(box)
    return np.asarray(image), np.asarray(matte, np.float64) / 255


def timed(model: MattingModel, photo: np.ndarray, *, refined: bool) -> tuple[np.ndarray, float]:
    """The matte and its milliseconds."""
    started = time.perf_counter()
    alpha = model(photo, refined=refined)
    return alpha, 1000 * (time.perf_counter() - started)


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


def picture(alpha: np.ndarray) -> Image.Image:
    """A matte as a picture."""
    return Image.fromarray(np.rint(alpha * 255).astype(np.uint8))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--models", nargs="+", default=["ours"], help="ours, modnet, or .onnx files")
    parser.add_argument("--upper", action="store_true", help="measure on squares around the upper bodies")
    parser.add_argument("--nobody", type=Path, nargs="+", default=[], help="photos without people, or folders of them")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("-o", "--output", type=Path, help="a folder for matting.json and matting.jpg")
    options = parser.parse_args()
    try:
        pairs, empty = PortraitPairs(options.portraits), find_images(options.nobody)
        paths = {name: resolve_matting_model(name) if name in MODELS else Path(name) for name in options.models}
        models = {  # files go by their names: where they lie is nobody's business in a report
            name if name in MODELS else Path(name).stem: MattingModel(path, options.provider, options.threads)
            for name, path in paths.items()
        }
    except FastNSTError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(options.limit, len(pairs))).round().astype(int))
    found: dict[str, list[dict[str, float]]] = {}
    sheet = []
    for number, index in enumerate(chosen):
        photo, truth = portrait(pairs, int(index), options.upper)
        cells = [(Image.fromarray(photo), pairs.pairs[int(index)][0].stem), (picture(truth), "true")]
        for name, model in models.items():
            if number == 0:
                model(photo)  # the first run of a session also compiles
            for refined in (False, True):
                alpha, milliseconds = timed(model, photo, refined=refined)
                row = f"{name}, refined" if refined else name
                found.setdefault(row, []).append({**measure(alpha, truth), "ms": milliseconds})
                cells.append((picture(alpha), row))
        if number % max(1, len(chosen) // _SHOWN) == 0:
            sheet.append(cells)
    means = {
        row: {name: float(np.mean([each[name] for each in values])) for name in (*_MEASURES, "ms")}
        for row, values in found.items()
    }
    sys.stdout.write(f"{len(chosen)} portraits of {options.portraits}{', upper bodies' if options.upper else ''}\n")
    sys.stdout.write(table(means))
    alarms = false_alarms(models, empty)
    for name, count in alarms.items() if empty else ():
        sys.stdout.write(f"{name} finds somebody in {count} of {len(empty)} photos without people\n")
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        engines = {name: model.provider for name, model in models.items()}
        result: dict[str, Any] = {"portraits": len(chosen), "upper": options.upper, "engines": engines, "models": means}
        if empty:
            result["nobody"] = {"photos": len(empty), "found": alarms}
        (options.output / "matting.json").write_text(json.dumps(result, indent=2) + "\n")
        save_image(contact_sheet(sheet, cell=200), options.output / "matting.jpg", overwrite=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
