"""The paintings that a start is learned from, each seen anew every time: cropped, mirrored, recoloured, blended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastnst.array_types import FloatArray
from fastnst.errors import ConfigError, suggest
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.folders import find_images
from fastnst.images.resize import resize_long_side

_MIN_CROP_SHARE = 0.6  # of a painting's sides
_RECOLOURED_SHARE = 0.3  # share of the draws whose colours are turned around
_BLENDED_SHARE = 0.25  # share of the draws in which two paintings are one style


class Paintings:
    """A folder of paintings to draw styles from.

    Args:
        folder: with the picture files, searched recursively.
        leave_out: base names of files that are never seen, so that they can serve as a test.
        size: long side in pixels at which a painting is seen.
        seed: draw number `i` is a function of (seed, i) alone.

    Attributes:
        paths: of those that are drawn.
        kept: of those that are left out.

    Raises `ConfigError` where nothing is left, or for a name that no file has.
    """

    def __init__(self, folder: Path, leave_out: Sequence[str], size: int, seed: int) -> None:
        found = {path.stem: path for path in find_images([folder])}
        for name in leave_out:
            if name not in found:
                raise ConfigError(f"leave_out names '{name}', but {folder} has no such picture.{suggest(name, found)}")
        self.paths = [path for name, path in sorted(found.items()) if name not in leave_out]
        self.kept = [path for name, path in sorted(found.items()) if name in leave_out]
        if not self.paths:
            raise ConfigError(f"no paintings found in {folder} beside those that are left out.")
        self.size, self.seed = size, seed
        self._opened: dict[Path, Image.Image] = {}

    def draw(self, number: int) -> tuple[list[Tensor], list[float], str]:
        """Style number `number`: its paintings, each float RGB `[1, 3, H, W]` in [0, 1], their weights, its name."""
        generator = np.random.default_rng((self.seed, 3, number))
        epoch, place = divmod(number, len(self.paths))
        # Every painting once before any comes again.
        first = np.random.default_rng((self.seed, 4, epoch)).permutation(len(self.paths))[place]
        chosen, weights = [self.paths[first]], [1.0]
        if len(self.paths) > 1 and generator.random() < _BLENDED_SHARE:
            other = (first + 1 + generator.integers(len(self.paths) - 1)) % len(self.paths)
            chosen.append(self.paths[other])
            share = float(generator.uniform(0.3, 0.7))
            weights = [share, 1 - share]
        pictures = [varied(self._open(path), self.size, generator) for path in chosen]
        return pictures, weights, " + ".join(path.stem for path in chosen)

    def _open(self, path: Path) -> Image.Image:
        if path not in self._opened:
            self._opened[path] = resize_long_side(open_image(path), 2 * self.size)
        return self._opened[path]


def varied(painting: Image.Image, size: int, generator: np.random.Generator) -> Tensor:
    """A part of a painting at a long side of `size`, perhaps mirrored, upside down or in other colours:
    float RGB `[1, 3, H, W]` in [0, 1]."""
    share = generator.uniform(_MIN_CROP_SHARE, 1, 2)
    width, height = max(1, round(painting.width * share[0])), max(1, round(painting.height * share[1]))
    left, top = generator.integers(painting.width - width + 1), generator.integers(painting.height - height + 1)
    part = painting.crop((int(left), int(top), int(left) + width, int(top) + height))
    pixels = to_unit_floats(resize_long_side(part, size))
    if generator.random() < 0.5:
        pixels = pixels[:, :, ::-1]
    if generator.random() < 0.2:
        pixels = pixels[:, ::-1]
    if generator.random() < _RECOLOURED_SHARE:
        pixels = recoloured(pixels, generator)
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32))[None]


def recoloured(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The same picture with its colours turned around the grey axis by any angle, float `[3, H, W]` in [0, 1]."""
    angle = generator.uniform(0, 2 * np.pi)
    # Rodrigues' formula for a rotation around (1, 1, 1)/√3.
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) / 3
    turned: np.ndarray = np.tensordot(turn, pixels, 1).clip(0, 1).astype(np.float32)
    return turned


def in_colours_of(pixels: FloatArray, other: FloatArray) -> FloatArray:
    """The same picture with the mean and the covariance of another's colours, float `[3, H, W]` in [0, 1], both.

    The map is that of optimal transport between two Gaussians (Pitié & Kokaram 2007, "The linear Monge-Kantorovitch
    linear colour mapping").
    """
    (mine, own), (its, wanted) = (_colours(one) for one in (pixels, other))
    root = _square_root(own)
    back = np.linalg.inv(root)
    turn = back @ _square_root(root @ wanted @ root) @ back
    moved = np.tensordot(turn, pixels - mine[:, None, None], 1) + its[:, None, None]
    return np.asarray(moved.clip(0, 1), np.float32)


def _colours(pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean `[3]` and covariance `[3, 3]`, which is never singular."""
    flat = pixels.reshape(3, -1)
    return flat.mean(1), np.cov(flat) + 1e-4 * np.eye(3)


def _square_root(matrix: FloatArray) -> FloatArray:
    """Of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: FloatArray = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return root
