from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fastnst.networks.light import keep_light


def scene(size: int = 64) -> Tensor:
    """Shapes and shading with the contrast of an ordinary photo, `[1, 3, size, size]`."""
    y, x = np.mgrid[0:size, 0:size] / size
    light = 0.5 + 0.25 * np.sin(7 * x + 2 * y) + 0.2 * ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06)
    return torch.from_numpy(np.stack([light, 0.9 * light, 0.8 * light])[None].astype(np.float32))


def strokes(size: int = 64, mean: float = 0.5) -> Tensor:
    """The output of a network for any picture, however dark it is: strokes around a middle tone."""
    y, x = np.mgrid[0:size, 0:size]
    light = mean + 0.2 * np.sin(0.9 * x + 0.5 * y)
    return torch.from_numpy(np.stack([light, light, light])[None].astype(np.float32))


def test_an_ordinary_picture_is_painted_as_before() -> None:
    photo, painted = scene() * 0.3 + 0.45, strokes()
    assert (keep_light(photo, painted) - painted).abs().max() < 2 / 255


def test_black_comes_back_black() -> None:
    black = torch.zeros(1, 3, 64, 64)
    assert keep_light(black, strokes()).max() < 1 / 255


def test_a_white_ground_stays_white_and_keeps_its_strokes() -> None:
    white = torch.ones(1, 3, 64, 64)
    kept = keep_light(white, strokes())
    assert kept.mean() > 200 / 255
    assert kept.std() > 0.02


@pytest.mark.parametrize("mean", [0.35, 0.5, 0.75])
def test_a_fade_from_black_stays_a_ramp(mean: float) -> None:
    """The network paints every frame of it alike; what comes out follows the input, at most twice as steeply."""
    shares = torch.arange(21) / 20
    found = torch.stack([keep_light(scene() * share, strokes(mean=mean)).mean() for share in shares])
    steps = found.diff()
    assert found[0] < 1 / 255
    assert (steps > -1e-3).all()
    assert steps.max() <= 2 * scene().mean() / 20
    assert abs(found[-1] - mean) < 0.02


def test_bars_stay_black_beside_a_picture() -> None:
    photo = scene(96)
    photo[:, :, :24] = 0
    kept = keep_light(photo, strokes(96))
    assert kept[:, :, :10].mean() < 8 / 255
    assert (kept[:, :, 40:] - strokes(96)[:, :, 40:]).abs().mean() < 0.03


def test_range_is_kept_and_gradients_are_finite_on_black() -> None:
    painted = torch.rand(1, 3, 32, 32, requires_grad=True)
    kept = keep_light(torch.zeros(1, 3, 32, 32), painted)
    kept.sum().backward()  # type: ignore[no-untyped-call]
    assert painted.grad is not None
    assert painted.grad.isfinite().all()
    for photo in (torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), torch.rand(1, 3, 32, 32)):
        kept = keep_light(photo, torch.rand(1, 3, 32, 32))
        assert kept.min() >= 0
        assert kept.max() <= 1 + 1e-6


def test_half_precision_agrees() -> None:
    """Graphs for GPUs run in float16."""
    photo, painted = scene() * 0.1, strokes()
    difference = keep_light(photo.half(), painted.half()).float() - keep_light(photo, painted)
    assert difference.abs().max() < 2 / 255
