from __future__ import annotations

import torch

from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.laplacian import laplacian
from fastnst.losses.objective import Objective
from fastnst.perceptual.slim import load_slim


def measured(images: torch.Tensor, photos: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    objective = Objective(load_slim(), ObjectiveConfig(laplacian_weight=1.0))
    objective.set_style([torch.rand(1, 3, 32, 32)])
    masks = None if mask is None else {"laplacian": mask}
    return objective(images, objective.content_target(photos), masks=masks)["laplacian"]


def test_ramps_have_none_and_a_parabola_has_its_curvature() -> None:
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    ramp = (0.01 * x + 0.005 * y).expand(1, 3, -1, -1)
    assert float(laplacian(ramp).abs().max()) < 1e-5
    # a x² has the second difference 2 a · 4² over cells of four pixels
    parabola = (0.0004 * x.square()).expand(1, 3, -1, -1)
    assert torch.allclose(laplacian(parabola), torch.full((1, 1, 6, 10), 2 * 0.0004 * 16), atol=1e-5)


def test_the_photo_itself_costs_nothing_and_a_grey_picture_one() -> None:
    photo = torch.rand(1, 3, 64, 64).round()
    assert float(measured(photo, photo)) == 0
    assert abs(float(measured(torch.full_like(photo, 0.5), photo)) - 1) < 0.05
    assert abs(float(measured(photo * 0.5 + 0.3, photo)) - 0.25) < 0.02  # half the contrast: (1 − ½)²


def test_colour_is_free() -> None:
    photo = torch.rand(1, 1, 64, 64).expand(1, 3, 64, 64) * 0.5 + 0.25
    tint = torch.tensor([0.114, 0.0, -0.299]).view(1, 3, 1, 1) * 0.5  # of no light
    assert float(measured(photo + tint * torch.rand(1, 1, 64, 64), photo)) < 1e-6


def test_a_mask_takes_its_part() -> None:
    photo, other = torch.rand(1, 3, 64, 64).round(), torch.rand(1, 3, 64, 64)
    left = torch.zeros(1, 1, 64, 64)
    left[..., :32] = 1
    whole = measured(other, photo)
    assert torch.allclose(measured(other, photo, left) + measured(other, photo, 1 - left), whole, rtol=1e-4)
