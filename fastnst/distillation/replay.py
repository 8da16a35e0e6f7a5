"""Pictures on their way from photo to painting, where the student is asked to agree with its teacher.

A student that was matched on photos and paintings alone is wrong about what the optimizer makes of them: it walks into
whatever the student does not see. So it also learns from pictures that are being optimized along its own gradients, as
in imitation learning (Ross et al., "DAgger", 2011).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fastnst.distillation.losses import STYLE_TAPS, Goal

_LEARNING_RATE = 0.02  # of Adam on pixels in [0, 1]
_MAX_VISITS = 60  # visits
_NOISE_SHARE = 0.1


@dataclass
class Picture:
    """One picture under way: its pixels, photo and painting, what the teacher wants of it, and Adam's moments."""

    pixels: Tensor  # [3, S, S]
    photo: Tensor  # [3, S, S]
    painting: Tensor  # [3, S, S]
    content: Tensor  # [C, h, w]
    grams: dict[str, Tensor]  # {tap: [C, C]}
    weights: Tensor  # [1 + taps], of the terms
    life: int
    age: int = 0
    mean: Tensor = field(default_factory=lambda: torch.zeros(()))
    square: Tensor = field(default_factory=lambda: torch.zeros(()))


class Pool:
    """A fixed number of pictures; the ones that lived long enough make room for new ones."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.pictures: list[Picture] = []
        self._random = torch.Generator().manual_seed(seed)
        self._next = 0

    def renew(self, photos: Tensor, paintings: Tensor, aims: Goal) -> None:
        """Take fresh photos and paintings `[N, 3, S, S]`, and the teacher's goal for them, where there is room."""
        self.pictures = [picture for picture in self.pictures if picture.age < picture.life]
        for index in range(min(len(photos), self.size - len(self.pictures))):
            self.pictures.append(
                Picture(
                    pixels=self._start(photos[index], paintings[index]),
                    photo=photos[index],
                    painting=paintings[index],
                    content=aims.content[index],
                    grams={tap: aims.grams[tap][index] for tap in STYLE_TAPS},
                    weights=self._weights(),
                    life=1 + int(_MAX_VISITS * self._uniform()),
                )
            )

    def draw(self, count: int) -> list[Picture]:
        """The next pictures in turn, at most `count`."""
        count = min(count, len(self.pictures))
        chosen = [self.pictures[(self._next + index) % len(self.pictures)] for index in range(count)]
        self._next += count
        return chosen

    @staticmethod
    def advance(pictures: list[Picture], gradients: Tensor) -> None:
        """One step of Adam on the pixels along gradients `[N, 3, S, S]`."""
        for picture, gradient in zip(pictures, gradients.float(), strict=True):
            picture.age += 1
            picture.mean = 0.9 * picture.mean + 0.1 * gradient
            picture.square = 0.99 * picture.square + 0.01 * gradient.square()
            mean = picture.mean / (1 - 0.9**picture.age)
            square = picture.square / (1 - 0.99**picture.age)
            picture.pixels = (picture.pixels - _LEARNING_RATE * mean / (square.sqrt() + 1e-12)).clamp(0, 1)

    def _start(self, photo: Tensor, painting: Tensor) -> Tensor:
        """Mostly the photo; sometimes noisy, a blend, the painting itself, or noise alone."""
        kind = self._uniform()
        noise = torch.rand(photo.shape, generator=self._random).to(photo.device)
        if kind < 0.6:
            return photo.clone()
        if kind < 0.75:
            return (photo + _NOISE_SHARE * (2 * noise - 1)).clamp(0, 1)
        if kind < 0.85:
            return torch.lerp(photo, painting, self._uniform())
        return painting.clone() if kind < 0.93 else noise

    def _weights(self) -> Tensor:
        """Weights of the content term and of each style tap: any mixture that a user may ask for."""
        style_weight = 2.0 * 25 ** self._uniform()  # 2 … 50
        taps = torch.rand(len(STYLE_TAPS), generator=self._random) + 0.25
        return torch.cat([torch.ones(1), style_weight * taps / taps.sum()])

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self._random))


def batch_of(pictures: list[Picture]) -> tuple[Tensor, Tensor, Tensor, Tensor, Goal]:
    """Pixels, photos, paintings `[N, 3, S, S]`, weights `[N, 1 + taps]`, and what the teacher wants."""
    device = pictures[0].photo.device
    pixels, photos, paintings, weights, content = (
        torch.stack([getattr(picture, name) for picture in pictures]).to(device)
        for name in ("pixels", "photo", "painting", "weights", "content")
    )
    grams = {tap: torch.stack([picture.grams[tap] for picture in pictures]) for tap in STYLE_TAPS}
    return pixels, photos, paintings, weights, Goal(content, grams)
