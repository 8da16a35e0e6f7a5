"""Known motions: what they do to pictures, and that inconsistency is zero exactly where it should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fastnst.losses import temporal as motion
from fastnst.losses.temporal import Motion, inconsistency, random_motion, warp


def tensor(photo: Image.Image, size: int = 96) -> Tensor:
    return torch.from_numpy(np.array(photo.resize((size, size)))).permute(2, 0, 1)[None].float() / 255


def test_the_same_seed_draws_the_same_motion() -> None:
    first, second = (random_motion(2, 32, 40, torch.Generator().manual_seed(5)) for _ in range(2))
    torch.testing.assert_close(first.grid, second.grid)
    assert first.grid.shape == (2, 32, 40, 2)
    assert 0.5 < float(first.visible.mean()) < 1


def test_a_shift_by_whole_pixels_moves_pixels(photo: Image.Image) -> None:
    image = tensor(photo, 64)
    identity = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], [1, 1, 64, 64], align_corners=False)
    moved = warp(image, Motion(identity + torch.tensor([2 * 3 / 64, 0.0]), torch.ones(1, 1, 64, 64)))
    torch.testing.assert_close(moved[..., 2:-8], image[..., 5:-5], rtol=0, atol=1e-4)


@pytest.mark.parametrize("restyle", [lambda x: 1 - x, lambda x: 0.5 * x + 0.2], ids=["negative", "paler"])
def test_pointwise_networks_are_consistent(photo: Image.Image, restyle, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(motion, "_NOISE_SIGMA", 0.0)
    image = tensor(photo)
    error = inconsistency(restyle, image, restyle(image), torch.Generator().manual_seed(0))
    assert float(error) < 1e-4


def test_a_pattern_fixed_to_the_frame_is_inconsistent(photo: Image.Image) -> None:
    grid = (torch.arange(96) % 2).float().expand(1, 3, 96, 96)

    def shower_door(x: Tensor) -> Tensor:
        return 0.5 * x + 0.5 * grid

    image = tensor(photo)
    fixed = inconsistency(shower_door, image, shower_door(image), torch.Generator().manual_seed(0))
    plain = inconsistency(lambda x: x, image, image, torch.Generator().manual_seed(0))
    assert float(fixed) > 10 * float(plain)
