"""How style models treat light: a fade from black, black bars, a white ground, and what it costs on ordinary photos.

    python benchmarks/light.py MODEL.onnx [MODEL.onnx …] [--clip fade.mp4] [--val-photos DIR --painting FILE]

The clip is a fade from black; without one, a scene of our own is faded in 20 steps. Told are the rank correlation of
the luma of what comes out with that of what went in, its first level, its largest step beside twice the input's, and
the luma of a white ground and of black bars. With held-out photos and the painting of the (first) model, the objective
is measured by `slim` with the rule that keeps light and without it, over all photos and over those with less than a
twentieth of pure black and white.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch

from command_line import build_parser, run_command, write_json
from fastnst.checkpoints import load_network
from fastnst.losses.config import objective_config
from fastnst.losses.objective import Objective
from fastnst.networks.light import keep_light
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.reference.inputs import open_tensor, photo_list
from fastnst.runtime.models.style_model import StyleModel

_LUMA = np.array([0.299, 0.587, 0.114])


def scene(height: int = 192, width: int = 256) -> np.ndarray:
    """Shading and shapes with the contrast of a photo, uint8 `[H, W, 3]`."""
    y, x = np.mgrid[0:height, 0:width] / height
    light = 130 + 60 * np.sin(5 * x + 2 * y) + 50 * ((x - 0.7) ** 2 + (y - 0.5) ** 2 < 0.06)
    noise = np.random.default_rng(0).normal(0, 3, (height, width, 3))
    picture: np.ndarray = (light[..., None] * [1, 0.9, 0.8] + noise).clip(0, 255).astype(np.uint8)
    return picture


def fade(clip: Path | None) -> list[np.ndarray]:
    """The frames of a fade from black, uint8 `[H, W, 3]`."""
    if clip is None:
        shares = [0.0] * 4 + [step / 20 for step in range(21)] + [1.0] * 3
        return [(scene() * share).round().astype(np.uint8) for share in shares]
    import av

    with av.open(str(clip)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def luma(picture: np.ndarray) -> float:
    """Mean luma of uint8 `[H, W, 3]`, 0 to 255."""
    return float((picture @ _LUMA).mean())


def ranks(values: np.ndarray) -> np.ndarray:
    """Mean ranks of `[N]`, equal ones sharing theirs."""
    return np.array([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])


def measure(path: Path, frames: list[np.ndarray]) -> dict[str, float]:
    """The figures of one style model."""
    model = StyleModel(path)

    def run(picture: np.ndarray) -> np.ndarray:
        found: np.ndarray = model(picture[None])[0]
        return found

    before = np.array([luma(frame) for frame in frames])
    after = np.array([luma(run(frame)) for frame in frames])
    white = np.full((240, 320, 3), 255, np.uint8)
    white[100:140, 140:180] = (200, 40, 30)
    bars = scene(240, 320)
    bars[:40] = bars[-40:] = 0
    return {
        "rank_correlation": float(np.corrcoef(ranks(before.round(2)), ranks(after.round(2)))[0, 1]),
        "first_level": float(after[0]),
        "largest_step": float(np.abs(np.diff(after)).max()),
        "twice_the_inputs": 2 * float(np.abs(np.diff(before)).max()),
        "white_ground": luma(run(white)[8:60, 8:-8]),
        "black_bars": luma(run(bars)[4:28, 8:-8]),
    }


def cost(path: Path, painting: Path, folder: Path, count: int, size: int) -> dict[str, float]:
    """The objective with the rule over that without it, on held-out photos."""
    network, metadata = load_network(path)
    objective = Objective(
        build_perceptual(PerceptualConfig("slim", padding="replicate")),
        objective_config(metadata.loss_weights).for_pictures(),
    )
    seen = metadata.loss_weights
    objective.set_style([open_tensor(painting, seen.get("style_size", 512), seen.get("style_trim", 0.0))])
    ratios, ordinary, sums = [], [], np.zeros((2, 2))
    with torch.no_grad():
        for _, photo in photo_list(folder, count, size):
            pixels = np.asarray(photo.crop((0, 0, photo.width // 4 * 4, photo.height // 4 * 4)))
            grounds = float(((pixels < 6).all(2) | (pixels > 249).all(2)).mean())
            tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
            target = objective.content_target(tensor)
            painted = network.paint(tensor).clamp(0, 1)
            pair = [float(objective(one, target).total) for one in (painted, keep_light(tensor, painted))]
            ratios.append(pair[1] / pair[0])
            sums[0] += pair
            if grounds < 0.05:
                sums[1] += pair
                ordinary.append(pair[1] / pair[0])
    return {
        "photos": len(ratios),
        "without_grounds": len(ordinary),
        "median_ratio": statistics.median(ratios),
        "ratio_of_means": float(sums[0, 1] / sums[0, 0]),
        "ratio_of_means_without_grounds": float(sums[1, 1] / sums[1, 0]),
    }


def main() -> int:
    parser = build_parser(__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--clip", type=Path, help="a fade from black")
    parser.add_argument("--val-photos", type=Path)
    parser.add_argument("--painting", type=Path)
    parser.add_argument("--count", type=int, default=60, help="held-out photos")
    parser.add_argument("--size", type=int, default=224, help="their side in pixels")
    options = parser.parse_args()
    frames = fade(options.clip)
    report: dict[str, Any] = {path.stem: measure(path, frames) for path in options.models}
    if options.val_photos and options.painting:
        report["cost"] = cost(options.models[0], options.painting, options.val_photos, options.count, options.size)
    write_json(report)
    return 0


if __name__ == "__main__":
    run_command(main)
