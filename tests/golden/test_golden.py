"""Golden pictures: every style that ships draws what it drew when its file was made.

`python tests/golden/test_golden.py` writes them anew, after a change of the model files that was looked at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import Stylizer, sample_photo

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
STYLES = sorted(path.stem for path in WEIGHTS.glob("*.onnx"))
SIZE = (96, 112)
TOLERANCE = 2  # levels of 255; engines round differently


def drawn(style: str) -> np.ndarray:
    with Image.open(sample_photo()) as photo:
        small = photo.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    return np.asarray(Stylizer(WEIGHTS / f"{style}.onnx", "cpu")(small))


@pytest.mark.parametrize("style", STYLES)
def test_a_style_draws_what_it_drew(style: str) -> None:
    with Image.open(Path(__file__).with_name(f"{style}.png")) as golden:
        difference = np.abs(drawn(style).astype(int) - np.asarray(golden, int))
    assert (difference <= TOLERANCE).mean() > 0.999


if __name__ == "__main__":
    for name in STYLES:
        Image.fromarray(drawn(name)).save(Path(__file__).with_name(f"{name}.png"))
