"""Measures how steady styles are from frame to frame: warping errors of two models side by side, in one run.

    python benchmarks/temporal.py PLAIN.onnx STEADY.onnx --photos DIR [--sequence DIR]
        [--painting FILE --perceptual-weights FILE]

Two measures, both the root mean square difference, in levels of 255, between a restyled frame and the previous
restyled frame moved along the flow, where the flow is valid:

- `known`: held-out photos under known smooth motions (a pan, a zoom and a turn of a few pixels a frame) with a second
  photo's disc moving across them, so that there are occlusions and their mask is exact; sensor noise is added.
- `sequence`: a folder with frames and the precomputed flow of artistic-videos (`frame_01.ppm`,
  `deepflow/backward_2_1.flo`, `deepflow/reliable_2_1.pgm`: the flow from frame 2 to frame 1 and where to trust it).

With a painting, the objective of both on the photos shows what steadiness costs. Prints a JSON.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from command_line import build_parser, run_command, write_json
from fastnst.images.decode import open_image
from fastnst.images.folders import find_images
from fastnst.losses.config import objective_config
from fastnst.losses.objective import Objective
from fastnst.perceptual import build_perceptual
from fastnst.reference.config import perceptual_config
from fastnst.reference.inputs import open_tensor
from fastnst.runtime import Stylizer
from fastnst.runtime.temporal import Smoother

_FRAMES = 6
_NOISE = 2.0  # levels of 255: a quiet camera


def identity(height: int, width: int) -> Tensor:
    """Pixel coordinates `[H, W, 2]` as x, y."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], dim=-1).float()


def sample(image: Tensor, coordinates: Tensor) -> Tensor:
    """`image` `[C, H, W]` at pixel coordinates `[h, w, 2]`, bicubic."""
    extent = torch.tensor([image.shape[2], image.shape[1]])
    grid = (coordinates + 0.5) / extent * 2 - 1
    return F.grid_sample(image[None], grid[None], mode="bicubic", padding_mode="reflection", align_corners=False)[0]


def inside(coordinates: Tensor, height: int, width: int) -> Tensor:
    x, y = coordinates.unbind(-1)
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


class Scene:
    """A photo that moves behind a disc of another photo; the flow between any two frames is known."""

    def __init__(self, background: Tensor, foreground: Tensor, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.background, self.foreground = background, foreground
        self.height, self.width = background.shape[1:]
        self.pan, self.disc_pan = random.uniform(-3, 3, 2), random.uniform(-5, 5, 2)
        self.zoom, self.turn = 1 + random.uniform(-0.008, 0.008), random.uniform(-0.008, 0.008)
        self.noise = random

    def source(self, number: int, pixels: Tensor) -> Tensor:
        """The photo coordinates from which frame `number` shows the background."""
        centre = torch.tensor([self.width, self.height]) / 2
        scale, angle = self.zoom**number, self.turn * number
        turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
        return (pixels - centre) @ turn.T * scale + centre + torch.tensor(self.pan * number, dtype=torch.float32)

    def position(self, number: int, photo: Tensor) -> Tensor:
        """The inverse: where in frame `number` a photo's coordinates appear."""
        centre = torch.tensor([self.width, self.height]) / 2
        scale, angle = self.zoom**number, self.turn * number
        turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
        return (photo - centre - torch.tensor(self.pan * number, dtype=torch.float32)) @ turn / scale + centre

    def disc(self, number: int, pixels: Tensor) -> Tensor:
        """True if frame `number` shows the disc at these pixels."""
        centre = torch.tensor([self.width, self.height]) / 2 + torch.tensor(self.disc_pan * number)
        return (pixels - centre).square().sum(-1) < (min(self.height, self.width) / 5) ** 2

    def frame(self, number: int) -> np.ndarray:
        pixels = identity(self.height, self.width)
        picture = sample(self.background, self.source(number, pixels))
        shifted = pixels - torch.tensor(self.disc_pan * number, dtype=torch.float32)
        picture = torch.where(self.disc(number, pixels), sample(self.foreground, shifted), picture)
        noisy = picture.permute(1, 2, 0).numpy() * 255 + self.noise.normal(0, _NOISE, (self.height, self.width, 3))
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    def flow(self, number: int) -> tuple[Tensor, Tensor]:
        """For each pixel of frame `number`, its coordinates in the frame before, and whether it was visible there."""
        pixels = identity(self.height, self.width)
        before = self.position(number - 1, self.source(number, pixels))
        on_disc = self.disc(number, pixels)
        before = torch.where(on_disc[..., None], pixels - torch.tensor(self.disc_pan, dtype=torch.float32), before)
        same = on_disc == self.disc(number - 1, before)
        return before, same & inside(before, self.height, self.width)


def known_sequences(photos: list[Path], size: int) -> Iterator[tuple[list[np.ndarray], list[tuple[Tensor, Tensor]]]]:
    """Frames, and the flow from each frame but the first to the one before."""
    for index, path in enumerate(photos):
        background = open_tensor(path, size)[0]
        other = open_tensor(photos[(index + 1) % len(photos)], size)
        foreground = F.interpolate(other, background.shape[1:], mode="bilinear")[0]
        scene = Scene(background, foreground, index)
        yield [scene.frame(n) for n in range(_FRAMES)], [scene.flow(n) for n in range(1, _FRAMES)]


def read_flow(path: Path) -> Tensor:
    """A Middlebury .flo file: `[H, W, 2]`, x and y in pixels."""
    content = path.read_bytes()
    width, height = np.frombuffer(content, "<i4", 2, 4)
    return torch.from_numpy(np.frombuffer(content, "<f4", 2 * width * height, 12).reshape(height, width, 2).copy())


def sequence(folder: Path) -> tuple[list[np.ndarray], list[tuple[Tensor, Tensor]]]:
    """A sequence of artistic-videos with its flow."""
    frames = [np.asarray(open_image(path)) for path in sorted(folder.glob("*.ppm"))]
    flows = []
    for path in sorted((folder / "deepflow").glob("backward_*.flo"), key=lambda one: one.name):
        numbers = re.findall(r"\d+", path.name)
        flow = read_flow(path)
        before = identity(*flow.shape[:2]) + flow
        trusted = np.asarray(open_image(path.with_name(f"reliable_{numbers[0]}_{numbers[1]}.pgm")).convert("L")) > 127
        flows.append((before, torch.from_numpy(trusted) & inside(before, *flow.shape[:2])))
    return frames, flows


def warping_error(frames: list[np.ndarray], flows: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Sum of squared differences along the flow, and how many values."""
    total, count = 0.0, 0.0
    for before, after, (coordinates, valid) in zip(frames, frames[1:], flows, strict=False):
        moved = sample(torch.from_numpy(before.copy()).permute(2, 0, 1).float(), coordinates).permute(1, 2, 0)
        error = (moved - torch.from_numpy(after.copy()).float()).square() * valid[..., None]
        total, count = total + float(error.sum()), count + 3 * float(valid.sum())
    return total, count


def restyle(stylizer: Stylizer, frames: list[np.ndarray], *, smooth: bool) -> list[np.ndarray]:
    restyled = [np.asarray(stylizer(frame)) for frame in frames]
    smoother = Smoother()
    return [smoother(*both) for both in zip(frames, restyled, strict=True)] if smooth else restyled


def main() -> int:
    parser = build_parser(__doc__)
    parser.add_argument("plain")
    parser.add_argument("steady")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--sequence", type=Path)
    parser.add_argument("--painting", type=Path)
    parser.add_argument("--perceptual-weights")
    options = parser.parse_args()
    photos = find_images([options.photos])
    photos = photos[:: max(1, len(photos) // options.count)][: options.count]
    stylizers = {"plain": Stylizer(options.plain), "steady": Stylizer(options.steady)}
    variants = [(name, smooth) for name in stylizers for smooth in (False, True)]
    sources = {"known": list(known_sequences(photos, options.size))}
    if options.sequence:
        sources["sequence"] = [sequence(options.sequence)]
    result: dict[str, dict[str, float]] = {}
    for kind, clips in sources.items():
        sums = [warping_error(frames, flows) for frames, flows in clips]
        result[kind] = {"input": rms(sums)}
        for name, smooth in variants:
            sums = [warping_error(restyle(stylizers[name], frames, smooth=smooth), flows) for frames, flows in clips]
            result[kind][f"{name}+smooth" if smooth else name] = rms(sums)
        result[kind]["ratio"] = result[kind]["steady"] / result[kind]["plain"]
    if options.painting:
        result["objective"] = objectives(stylizers, photos, options)
    write_json(result)
    return 0


def rms(sums: list[tuple[float, float]]) -> float:
    return float(np.sqrt(sum(total for total, _ in sums) / sum(count for _, count in sums)))


def objectives(stylizers: dict[str, Stylizer], photos: list[Path], options: argparse.Namespace) -> dict[str, float]:
    """The mean objective of the photos' pictures, with the loss weights of the plain model."""
    weights = stylizers["plain"].metadata.loss_weights
    objective = Objective(
        build_perceptual(perceptual_config("vgg19", weights, options.perceptual_weights)),
        objective_config(weights).for_pictures(),
    )
    objective.set_style([open_tensor(options.painting, weights.get("style_size", 512), weights.get("style_trim", 0.0))])
    totals: dict[str, list[float]] = {name: [] for name in stylizers}
    with torch.no_grad():
        for path in photos:
            photo = open_tensor(path, options.size)
            target = objective.content_target(photo)
            for name, stylizer in stylizers.items():
                pixels = np.rint(photo[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
                picture = torch.from_numpy(np.array(stylizer(pixels))).permute(2, 0, 1)[None].float() / 255
                totals[name].append(float(objective(picture, target).total))
    means = {name: float(np.mean(values)) for name, values in totals.items()}
    return {**means, "ratio": means["steady"] / means["plain"]}


if __name__ == "__main__":
    run_command(main)
