"""The periodicity term sees a grid texture, and little else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.losses.periodicity import periodicity
from tests.training.runs import train


@pytest.fixture
def image(photo: Image.Image) -> torch.Tensor:
    """A real photo, float `[1, 3, 160, 192]`."""
    return torch.from_numpy(np.asarray(photo.resize((192, 160))) / np.float32(255)).permute(2, 0, 1)[None]


def grid(period: int, amplitude: float) -> torch.Tensor:
    lines = torch.zeros(160, 192)
    lines[::period] += amplitude
    lines[:, ::period] += amplitude
    return lines


def test_a_grid_that_can_just_be_seen_stands_out_of_a_photo(image: torch.Tensor) -> None:
    plain, gridded = periodicity(image, 4), periodicity((image + grid(4, 0.03)).clamp(0, 1), 4)
    assert 0 < plain < 2e-4
    assert gridded > 2 * plain


def test_other_textures_and_ramps_hardly_count(image: torch.Tensor) -> None:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)) * 0.03
    assert periodicity(noise, 4) < 0.05 * noise.square().mean()
    assert periodicity(grid(7, 0.03)[None, None], 4) < 0.1 * periodicity(grid(4, 0.03)[None, None], 4)
    ramp = torch.linspace(0, 1, 192).expand(1, 1, 160, 192)
    assert periodicity(ramp, 4) < 1e-6


def test_each_picture_has_its_own(image: torch.Tensor) -> None:
    gridded = image + grid(4, 0.03)
    both = periodicity(torch.cat((image, gridded)), 4)
    assert torch.allclose(both, torch.cat((periodicity(image, 4), periodicity(gridded, 4))))


@pytest.mark.slow
def test_a_training_lowers_it(materials: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def last(name: str, *options: str) -> float:
        common = ["--trainer.log_every_n_steps", "1", "--data.image_size", "96", "--model.objective.style_weight", "40"]
        run = train(materials, tmp_path, name, 16, "--trainer.val_check_interval", "16", *common, *options)
        events = EventAccumulator(str(run))
        events.Reload()
        return float(np.mean([event.value for event in events.Scalars("train/periodicity")][-4:]))

    assert last("with", "--model.objective.periodicity_weight", "1e6") < 0.7 * last(
        "hardly", "--model.objective.periodicity_weight", "1e-9"
    )
