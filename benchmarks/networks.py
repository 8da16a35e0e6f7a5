"""Two style networks trained with one recipe on the same paintings, side by side: quality, artifacts and time.

    python benchmarks/networks.py PAINTING [PAINTING …] --photos DIR --val-photos DIR
        [--networks swift johnson] [--config configs/scratch.yaml] [--steps N] [--perceptual-weights FILE]

Every network sees the same photos in the same order (the seed is the recipe's). What is reported is measured on
held-out photos by VGG-19, whichever network the training used: the mean objective, with the ratio of the first
network's to the second's; the grid's and the border's energy beside those of the photos; the seconds of the training.
The runs are kept under --output, with a sheet of pictures a painting and the figures as networks.json, and a finished
one is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from command_line import build_parser, run_command, write_json
from fastnst.checkpoints import load_network
from fastnst.commands.train import main as train
from fastnst.contact_sheet import contact_sheet
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.encode import save_image
from fastnst.losses.config import objective_config
from fastnst.losses.objective import Objective
from fastnst.metrics.artifacts import border_energy, grid_energy
from fastnst.perceptual import build_perceptual
from fastnst.recipes import read_recipe
from fastnst.reference.config import perceptual_config
from fastnst.reference.inputs import open_tensor, photo_list


def trained(network: str, painting: Path, options: argparse.Namespace) -> Path:
    """The network's weights after the recipe; trained now unless an earlier call did."""
    name = f"{painting.stem}-{network}"
    finished = options.output / f"{name}.safetensors"
    if finished.is_file():
        return finished
    began = time.perf_counter()
    arguments = ["fit", "--config", str(options.config), "--painting", str(painting), "--name", name]
    arguments += ["--photos", str(options.photos), "--data.val_photos", str(options.val_photos)]
    arguments += ["--model.network.name", network, "--trainer.default_root_dir", str(options.output)]
    if options.perceptual_weights and read_recipe(options.config).get("perceptual", "vgg19") == "vgg19":
        arguments += ["--perceptual-weights", str(options.perceptual_weights)]
    if options.steps:
        arguments += ["--steps", str(options.steps)]
    train(arguments)
    seconds = time.perf_counter() - began
    (options.output / f"{name}.json").write_text(json.dumps({"seconds": round(seconds, 1)}))
    latest = max((options.output / name).glob("version_*"), key=lambda run: run.stat().st_mtime)
    return (latest / f"{name}.safetensors").rename(finished)


def measure(weights: Path, painting: Path, photos: list[Image.Image], weights_file: Path | None) -> dict[str, Any]:
    """The objective and the artifacts of a trained network's pictures, and the pictures."""
    network, metadata = load_network(weights)
    perceptual = perceptual_config("vgg19", metadata.loss_weights, str(weights_file) if weights_file else None)
    objective = Objective(build_perceptual(perceptual), objective_config(metadata.loss_weights).for_pictures())
    seen = (metadata.loss_weights[key] for key in ("style_size", "style_trim"))
    objective.set_style([open_tensor(painting, *seen)])
    totals, pictures = [], []
    with torch.no_grad():
        for photo in photos:
            pixels = torch.from_numpy(to_unit_floats(photo))[None]
            restyled = network(pixels).clamp(0, 1)
            totals.append(float(objective(restyled, objective.content_target(pixels)).total))
            pictures.append(from_unit_floats(restyled[0].numpy()))
    seconds = json.loads(weights.with_suffix(".json").read_text())["seconds"]
    return {"objective": statistics.mean(totals), **artifacts(pictures), "seconds": seconds, "pictures": pictures}


def artifacts(pictures: list[Image.Image]) -> dict[str, float]:
    """The medians of the grid's and the border's energy."""
    arrays = [np.asarray(picture) for picture in pictures]
    return {
        "grid": statistics.median(map(grid_energy, arrays)),
        "border": statistics.median(map(border_energy, arrays)),
    }


def main() -> int:
    parser = build_parser(__doc__)
    parser.add_argument("paintings", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--val-photos", type=Path, required=True)
    parser.add_argument("--networks", nargs=2, default=["swift", "johnson"])
    parser.add_argument("--config", type=Path, default=Path("configs/scratch.yaml"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--count", type=int, default=16, help="held-out photos")
    parser.add_argument("--size", type=int, default=384, help="their side in pixels")
    parser.add_argument("--perceptual-weights", type=Path, help="a local file of VGG-19's weights")
    parser.add_argument("--output", type=Path, default=Path("runs/networks"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    found = photo_list(options.val_photos, options.count, options.size)
    photos = [photo.crop((0, 0, photo.width // 4 * 4, photo.height // 4 * 4)) for _, photo in found]
    report: dict[str, Any] = {"photos": artifacts(photos), "paintings": {}}
    for painting in options.paintings:
        rows = {
            network: measure(trained(network, painting, options), painting, photos, options.perceptual_weights)
            for network in options.networks
        }
        pictures = {network: row.pop("pictures") for network, row in rows.items()}
        sheet = [
            [(photo, "photo"), *((pictures[network][index], network) for network in rows)]
            for index, photo in enumerate(photos[:6])
        ]
        save_image(contact_sheet(sheet), options.output / f"{painting.stem}.png", overwrite=True)
        first, second = (rows[network]["objective"] for network in options.networks)
        report["paintings"][painting.stem] = {**rows, "ratio": first / second}
    ratios = [one["ratio"] for one in report["paintings"].values()]
    report["mean_ratio"] = statistics.mean(ratios)
    write_json(report, options.output / "networks.json")
    return 0


if __name__ == "__main__":
    run_command(main)
