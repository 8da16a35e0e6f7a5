"""Small pictures for batches."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 20)


def level(number: int) -> int:
    return number % 200 + 20


def picture(number: int) -> bytes:
    """A PNG of one level, which its negative tells again."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((SIZE[1], SIZE[0], 3), level(number), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_pictures(folder: Path, count: int, broken: tuple[int, ...] = ()) -> Path:
    """`000/000000.png` and so on, a hundred in a folder; those of `broken` are cut short."""
    for number in range(count):
        path = folder / f"{number // 100:03d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = picture(number)
        path.write_bytes(content[:40] if number in broken else content)
    return folder


def check_results(folder: Path, count: int, broken: tuple[int, ...] = ()) -> None:
    """Every good picture's negative is there, once, and nothing else."""
    found = sorted(path for path in folder.rglob("*.png"))
    assert [int(path.stem) for path in found] == [number for number in range(count) if number not in broken]
    for path in found:
        with Image.open(path) as image:
            assert image.getpixel((3, 3)) == (255 - level(int(path.stem)),) * 3
