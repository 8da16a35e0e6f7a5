"""How far few steps get from one start and from another: the held-out objective on any folder of paintings.

    python benchmarks/start.py PAINTINGS --val-photos DIR [--photos sample] [--inits start starry_night]
        [--steps 50 200 800] [--perceptual vgg19 --perceptual-weights FILE]
        [--only NAME …] [--output runs/start-benchmark]

Each painting is trained on by the quick start from each start for each number of steps, a run of its own each time,
since the learning rate's course depends on the length. Told are the objective on held-out photos before the first step
and after the last, by the perceptual network that is asked for, and the seconds from command to picture. Under
--output lie the networks, a sheet a painting, and start.json; what is finished there is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastnst.checkpoints import load_network
from fastnst.commands.train import main as train
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
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.recipes import read_recipe
from fastnst.reference.compare import photo_list
from fastnst.reference.inputs import open_tensor
from fastnst.start.shipped import find_init


def trained(painting: Path, init: str, steps: int, options: argparse.Namespace) -> tuple[Path, float]:
    """The weights after so many steps, and the seconds that it took; trained now unless an earlier call did."""
    name = f"{painting.stem}-{Path(init).stem}-{steps}"
    finished, clock = options.output / f"{name}.safetensors", options.output / f"{name}.json"
    if not finished.is_file():
        began = time.perf_counter()
        train(
            [
                "--config", "quickstart", "--painting", str(painting), "--name", name, "--init", init,
                "--photos", options.photos, "--steps", str(steps), "--trainer.val_check_interval", str(steps),
                "--trainer.default_root_dir", str(options.output / "runs"),
            ]
        )  # fmt: skip
        seconds = time.perf_counter() - began
        latest = max((options.output / "runs" / name).glob("version_*"), key=lambda run: run.stat().st_mtime)
        (latest / f"{name}.safetensors").rename(finished)
        clock.write_text(json.dumps(round(seconds, 1)))
    return finished, json.loads(clock.read_text())


def measure(network: StyleNetwork, objective: Objective, photos: list[Image.Image]) -> dict[str, Any]:
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
        **{name: statistics.mean(one[name] for one in terms) for name in ("total", "content", "style")},
        "grid": statistics.median(map(grid_energy, arrays)),
        "border": statistics.median(map(border_energy, arrays)),
        "pictures": pictures,
    }


def compare(painting: Path, photos: list[Image.Image], options: argparse.Namespace) -> dict[str, Any]:
    """All starts and numbers of steps on one painting; draws the sheet."""
    recipe = read_recipe("quickstart")["model"]
    config: ObjectiveConfig = objective_config(recipe["objective"]).for_pictures()
    judge = PerceptualConfig(options.perceptual, weights_file=options.perceptual_weights, padding="replicate")
    objective = Objective(build_perceptual(judge), config)
    objective.set_style([open_tensor(painting, recipe["style_size"], 0.0)])
    rows: dict[str, dict[str, Any]] = {}
    for init in options.inits:
        rows[f"{Path(init).stem} 0"] = measure(load_network(find_init(init))[0], objective, photos)
        for steps in options.steps:
            weights, seconds = trained(painting, init, steps, options)
            found = measure(load_network(weights)[0], objective, photos)
            rows[f"{Path(init).stem} {steps}"] = {**found, "seconds": seconds}
    pictures = {label: row.pop("pictures") for label, row in rows.items()}
    sheet = [[(open_image(painting, max_size=384), painting.stem)]]
    sheet += [
        [(photo, "photo"), *((pictures[label][index], label) for label in rows)]
        for index, photo in enumerate(photos[:3])
    ]
    save_image(contact_sheet(sheet), options.output / f"{painting.stem}.png", overwrite=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paintings", type=Path, help="a folder")
    parser.add_argument("--val-photos", type=Path, required=True)
    parser.add_argument("--photos", default="sample", help="to train with")
    parser.add_argument("--inits", nargs="+", default=["start", "starry_night"])
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--only", nargs="+", default=[], help="base names of the paintings to take")
    parser.add_argument("--count", type=int, default=8, help="held-out photos")
    parser.add_argument("--size", type=int, default=256, help="their side in pixels")
    parser.add_argument("--perceptual", default="vgg19", help="the perceptual network that measures")
    parser.add_argument("--perceptual-weights", help="a local weights file for it")
    parser.add_argument("--output", type=Path, default=Path("runs/start-benchmark"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    found = photo_list(options.val_photos, options.count, options.size)
    photos = [photo.crop((0, 0, photo.width // 4 * 4, photo.height // 4 * 4)) for _, photo in found]
    report: dict[str, Any] = {}
    for painting in find_images([options.paintings]):
        if not options.only or painting.stem in options.only:
            report[painting.stem] = compare(painting, photos, options)
            (options.output / "start.json").write_text(json.dumps(report, indent=2))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FastNSTError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
