"""Measures of a portrait style, on faces and elsewhere: two models side by side on held-out portraits.

    python benchmarks/portraits.py PLAIN PORTRAIT --portraits DIR --painting FILE [--perceptual-weights FILE] [-o DIR]

DIR holds pairs, image/ and matte/ of the same base names; of each the square around the upper body is restyled. The
terms are those of the plain model's recipe, by VGG-19: content within the person's matte and within its head (the
matte's uppermost part, a third of the square), style of the person's region and of the background's. Prints a JSON with
means and the ratios portrait / plain; -o writes it and a sheet.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from command_line import build_parser, run_command, write_json
from fastnst.contact_sheet import contact_sheet
from fastnst.hardware import bf16_is_fast, default_device
from fastnst.images.arrays import to_unit_floats
from fastnst.images.encode import save_image
from fastnst.losses.config import objective_config
from fastnst.losses.objective import Objective
from fastnst.losses.term import ContentTarget
from fastnst.matting.crops import centred_square, uppermost
from fastnst.matting.pairs import PortraitPairs
from fastnst.perceptual import build_perceptual
from fastnst.reference.config import perceptual_config
from fastnst.reference.inputs import open_tensor
from fastnst.runtime import Stylizer

_MIN_BACKGROUND_SHARE = 0.15  # share of the square; with less there is no style to measure


def upper_body(pairs: PortraitPairs, index: int, size: int) -> tuple[Image.Image, np.ndarray] | None:
    """The square around the upper body at `size` pixels and its matte float `[size, size]`, None if of no use."""
    image, matte = pairs.open(index)
    box = centred_square(np.asarray(matte), upper=True)
    photo, cut = (each.resize((size, size), Image.Resampling.BICUBIC, box=box) for each in (image, matte))
    alpha = np.asarray(cut, np.float32) / 255
    return (photo, alpha) if _MIN_BACKGROUND_SHARE < 1 - alpha.mean() < 0.95 else None


def head(alpha: np.ndarray) -> np.ndarray:
    """The matte's uppermost part."""
    return uppermost((255 * alpha).round().astype(np.uint8), len(alpha)).astype(np.float32) / 255


def measure(objective: Objective, picture: Image.Image, target: ContentTarget, alpha: np.ndarray) -> dict[str, float]:
    """The terms of one restyled portrait, region by region."""
    device = target.photos.device
    pixels = torch.from_numpy(to_unit_floats(picture))[None].to(device)
    found = objective.features(pixels)
    regions = {"inside": alpha, "head": head(alpha), "outside": 1 - alpha}
    values = {}
    for name, region in regions.items():
        mask = torch.from_numpy(region)[None, None].to(device)
        terms = objective.measure(pixels, found, target, masks={"content": mask, "style": mask})
        values |= {f"content_{name}": float(terms["content"]), f"style_{name}": float(terms["style"])}
    return values


def main() -> int:
    parser = build_parser(__doc__)
    parser.add_argument("plain")
    parser.add_argument("portrait")
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--perceptual-weights")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    device = default_device()
    stylizers = {"plain": Stylizer(options.plain), "portrait": Stylizer(options.portrait)}
    weights = stylizers["plain"].metadata.loss_weights
    network = build_perceptual(perceptual_config("vgg19", weights, options.perceptual_weights)).to(device)
    network.set_precision(torch.bfloat16 if bf16_is_fast(device) else torch.float32)
    objective = Objective(network, objective_config(weights).for_pictures())
    objective.set_style(
        [open_tensor(options.painting, weights.get("style_size", 512), weights.get("style_trim", 0.0)).to(device)]
    )
    pairs = PortraitPairs(options.portraits)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in stylizers}
    rows = []
    for index in np.linspace(0, len(pairs) - 1, min(options.count, len(pairs))).round().astype(int):
        if (sample := upper_body(pairs, int(index), options.size)) is None:
            continue
        photo, alpha = sample
        with torch.no_grad():
            target = objective.content_target(torch.from_numpy(to_unit_floats(photo))[None].to(device))
            pictures = {name: stylizer(photo) for name, stylizer in stylizers.items()}
            for name, picture in pictures.items():
                results[name].append(measure(objective, picture, target, alpha))
        rows.append([(photo, "photo"), *((picture, name) for name, picture in pictures.items())])
    means = {
        name: {key: statistics.mean(one[key] for one in found) for key in found[0]} for name, found in results.items()
    }
    ratios = {key: means["portrait"][key] / means["plain"][key] for key in means["plain"]}
    report = {"portraits": len(rows), **means, "ratio": ratios}
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "portraits.json").write_text(json.dumps(report, indent=2))
        save_image(contact_sheet(rows[:6], cell=320), options.output / "portraits.jpg", overwrite=True)
    write_json(report)
    return 0


if __name__ == "__main__":
    run_command(main)
