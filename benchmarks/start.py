"""How far few steps get from one start and from another: the held-out objective on any folder of paintings.

    python benchmarks/start.py PAINTINGS --val-photos DIR [--photos sample] [--inits start starry_night]
        [--steps 50 200 800] [--perceptual vgg19 --perceptual-weights FILE] [--minutes 60]
        [--only NAME …] [--train-options "--data.image_size 128"] [--output runs/start-benchmark]

Each painting is trained on by the quick start, as a user types it, from each start for each number of steps, a command
of its own each time, since the learning rate's course depends on the length. Told are the objective on held-out photos
before the first step (and as a predictor guesses it, where one is at hand for that start) and after the last, by the
perceptual network that is asked for, the seconds from command to picture, and those of a step. Under --output lie the
networks, a sheet a painting, and start.json; what is finished there is not trained again, so a run that --minutes ended
goes on with the same command.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastnst.checkpoints import load_network
from fastnst.contact_sheet import contact_sheet
from fastnst.errors import FastNSTError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.images.folders import find_images
from fastnst.losses.config import ObjectiveConfig, objective_config
from fastnst.losses.objective import Objective
from fastnst.metrics.artifacts import border_energy, grid_energy
from fastnst.networks import StyleNetwork
from fastnst.networks.affines import fingerprint
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.recipes import read_recipe
from fastnst.reference.inputs import open_tensor, photo_list
from fastnst.start.predictor import guess_style, has_predictor, predictor_description
from fastnst.start.shipped import find_init

Row = dict[str, Any]


class TimeIsUpError(Exception):
    """The minutes that were given are gone."""


def trained(painting: Path, init: str, steps: int, options: argparse.Namespace) -> tuple[Path, dict[str, float]]:
    """The weights after so many steps, and how long they took; trained now unless an earlier call did."""
    name = f"{painting.stem}-{Path(init).stem}-{steps}"
    finished, clock = options.output / f"{name}.safetensors", options.output / f"{name}.json"
    if not clock.is_file():
        if time.monotonic() > options.ends:
            raise TimeIsUpError
        command = [
            sys.executable, "-m", "fastnst", "train", str(painting), "--config", "quickstart", "--name", name,
            "--init", init, "--photos", options.photos, "--steps", str(steps),
            "--trainer.val_check_interval", str(steps), "--trainer.default_root_dir", str(options.output / "runs"),
            *shlex.split(options.train_options),
        ]  # fmt: skip
        began = time.perf_counter()
        with (options.output / f"{name}.log").open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
        seconds = time.perf_counter() - began
        run = max((options.output / "runs" / name).glob("version_*"), key=lambda folder: folder.stat().st_mtime)
        (run / f"{name}.safetensors").rename(finished)
        training = load_network(finished)[1].training_seconds  # the held-out photos at the end included
        clock.write_text(json.dumps({"seconds": round(seconds, 1), "step": round(training / steps, 3)}))
    return finished, json.loads(clock.read_text())


def measure(network: StyleNetwork, objective: Objective, photos: list[Image.Image]) -> Row:
    """The mean terms and artifacts on held-out photos, and the pictures."""
    terms: list[dict[str, float]] = []
    pictures: list[Image.Image] = []
    with torch.no_grad():
        for photo in photos:
            pixels = torch.from_numpy(to_unit_floats(photo))[None]
            restyled = network(pixels).clamp(0, 1)
            terms.append(objective(restyled, objective.content_target(pixels)).floats())
            pictures.append(from_unit_floats(restyled[0].numpy()))
    arrays = [np.asarray(picture) for picture in pictures]
    return {
        **{name: round(statistics.mean(one[name] for one in terms), 4) for name in ("total", "content", "style")},
        "grid": float(statistics.median(map(grid_energy, arrays))),
        "border": float(statistics.median(map(border_energy, arrays))),
        "pictures": pictures,
    }


def rows_of(painting: Path, init: str, objective: Objective, photos: list[Image.Image], options: Any) -> Iterator[Row]:
    """From one start: before the first step, as guessed, and after each number of steps."""
    network, _ = load_network(find_init(init))
    yield {"init": Path(init).stem, "steps": "0", **measure(network, objective, photos)}
    own = options.predictor and predictor_description(options.predictor)["network"] == fingerprint(network)
    if own or has_predictor(network):
        guess_style(network, [open_tensor(painting, options.style_size)], path=options.predictor if own else None)
        yield {"init": Path(init).stem, "steps": "guess", **measure(network, objective, photos)}
    for steps in options.steps:
        weights, clock = trained(painting, init, steps, options)
        yield {
            "init": Path(init).stem,
            "steps": str(steps),
            **measure(load_network(weights)[0], objective, photos),
            **clock,
        }


def compare(painting: Path, photos: list[Image.Image], objective: Objective, options: argparse.Namespace) -> list[Row]:
    """All starts and numbers of steps on one painting; draws the sheet. What is finished when time is up is told."""
    objective.set_style([open_tensor(painting, options.style_size)])
    rows: list[Row] = []
    try:
        for init in options.inits:
            rows += rows_of(painting, init, objective, photos, options)
    except TimeIsUpError:
        sys.stderr.write(f"{painting.stem}: {len(rows)} rows are finished; the same command goes on.\n")
    shown = [row.pop("pictures") for row in rows]
    labels = [f"{row['init']}, {row['steps']}{'' if row['steps'] == 'guess' else ' steps'}" for row in rows]
    sheet = [[(open_image(painting, max_size=384), painting.stem)]]
    sheet += [
        [(photo, "photo"), *((pictures[index], label) for pictures, label in zip(shown, labels, strict=True))]
        for index, photo in enumerate(photos[:3])
    ]
    save_image(contact_sheet(sheet, cell=256), options.output / f"{painting.stem}.png", overwrite=True)
    return rows


def table(report: dict[str, list[Row]]) -> str:
    """A line for each painting and each row, and how the starts compare."""
    columns = ("total", "content", "style", "grid", "border", "seconds", "step")
    lines = [f"{'painting':44}{'start':14}{'steps':>7}" + "".join(f"{column:>10}" for column in columns)]
    for painting, rows in report.items():
        for row in rows:
            values = "".join(f"{row[column]:10.4g}" if column in row else " " * 10 for column in columns)
            lines.append(f"{painting[:42]:44}{row['init']:14}{row['steps']:>7}{values}")
    kinds = dict.fromkeys((row["init"], row["steps"]) for rows in report.values() for row in rows)
    for init, steps in kinds:
        found = [
            row["total"] for rows in report.values() for row in rows if (row["init"], row["steps"]) == (init, steps)
        ]
        lines.append(f"{'mean of ' + str(len(found)):44}{init:14}{steps:>7}{statistics.mean(found):10.4g}")
    return "\n".join(lines) + "\n" + verdict(report)


def verdict(report: dict[str, list[Row]], few: str = "200", many: str = "800") -> str:
    """On how many paintings the first start needs a quarter of the second one's steps."""
    won = known = 0
    for rows in report.values():
        totals = {(row["init"], row["steps"]): row["total"] for row in rows}
        inits = list(dict.fromkeys(row["init"] for row in rows))
        if len(inits) > 1 and (inits[0], few) in totals and (inits[1], many) in totals:
            known += 1
            won += totals[inits[0], few] <= totals[inits[1], many]
    if not known:
        return ""
    return f"{inits[0]} after {few} steps is at or below {inits[1]} after {many} on {won} of {known} paintings.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paintings", type=Path, help="a folder")
    parser.add_argument("--val-photos", type=Path, required=True)
    parser.add_argument("--photos", default="sample", help="to train with")
    parser.add_argument("--inits", nargs="+", default=["start", "starry_night"])
    parser.add_argument("--predictor", type=Path, help="of fastnst train-predictor (default: the one that ships)")
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--only", nargs="+", default=[], help="base names of the paintings to take")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no further training begins")
    parser.add_argument("--train-options", default="", help="more options of fastnst train, in one string")
    parser.add_argument("--count", type=int, default=8, help="held-out photos")
    parser.add_argument("--size", type=int, default=256, help="their long side in pixels")
    parser.add_argument("--perceptual", default="vgg19", help="the perceptual network that measures")
    parser.add_argument("--perceptual-weights", help="a local weights file for it")
    parser.add_argument("--output", type=Path, default=Path("runs/start-benchmark"))
    options = parser.parse_args()
    options.ends = time.monotonic() + 60 * options.minutes
    options.output.mkdir(parents=True, exist_ok=True)
    found = photo_list(options.val_photos, options.count, options.size)
    photos = [photo.crop((0, 0, photo.width // 4 * 4, photo.height // 4 * 4)) for _, photo in found]
    recipe = read_recipe("quickstart")["model"]
    options.style_size = recipe["style_size"]
    config: ObjectiveConfig = objective_config(recipe["objective"]).for_pictures()
    perceptual = PerceptualConfig(options.perceptual, weights_file=options.perceptual_weights, padding="replicate")
    objective = Objective(build_perceptual(perceptual), config)
    report: dict[str, list[Row]] = {}
    for painting in find_images([options.paintings]):
        if not options.only or painting.stem in options.only:
            report[painting.stem] = compare(painting, photos, objective, options)
            (options.output / "start.json").write_text(json.dumps(report, indent=2))
            sys.stderr.write(f"{painting.stem}: {len(report[painting.stem])} rows\n")
    sys.stdout.write(table(report))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FastNSTError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"a training failed; its words are in the .log beside the networks: {shlex.join(error.cmd)}\n")
        sys.exit(1)
