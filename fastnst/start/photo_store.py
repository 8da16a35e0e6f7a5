"""Photos that stay on the device, from which every step takes its crops without waiting for anything."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from fastnst.trainer.photos import Crops


class PhotoStore:
    """Squares of photos as uint8 on a device.

    Args:
        crops: whose side is that of the squares.
        numbers: of the crops to keep.
        size: side of what `take` cuts out of them, in pixels.
    """

    def __init__(self, crops: Crops, numbers: range, size: int, device: torch.device) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding leaves other threads alone
            squares = list(pool.map(crops.__getitem__, numbers))
        self.squares = torch.stack(squares).to(device)
        self.size = size

    def take(self, count: int, generator: torch.Generator) -> Tensor:
        """Random crops, mirrored half of the time: float RGB `[count, 3, size, size]` in [0, 1] on the device.

        `generator` is the device's; nothing here waits for the device.
        """
        device, side = self.squares.device, self.squares.shape[-1]

        def drawn(below: int) -> Tensor:
            return torch.randint(below, (count, 1), generator=generator, device=device)

        place = torch.arange(self.size, device=device)
        rows, columns = drawn(side - self.size + 1) + place, place.expand(count, -1)
        columns = torch.where(drawn(2) == 1, self.size - 1 - columns, columns) + drawn(side - self.size + 1)
        which = drawn(len(self.squares))
        pixels = self.squares[which[:, :, None], :, rows[:, :, None], columns[:, None, :]]  # [count, size, size, 3]
        return pixels.permute(0, 3, 1, 2).float() / 255

    def first(self, count: int) -> Tensor:
        """The middles of the first squares, the same each time: float RGB `[count, 3, size, size]` in [0, 1]."""
        edge = (self.squares.shape[-1] - self.size) // 2
        middle = self.squares[:count, :, edge : edge + self.size, edge : edge + self.size]
        return middle.float() / 255
