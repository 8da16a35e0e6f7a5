"""The descent on a small perceptual network, N_eq, the artifact measures, the memory check."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import LossTerms, Objective
from fastnst.metrics.artifacts import blob_share, border_energy, grid_energy, saturated_share
from fastnst.metrics.equivalent_iterations import equivalent_iterations
from fastnst.perceptual.architectures import TORCHVISION, ConvSpec
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.reference.curves import best_so_far
from fastnst.reference.descent import FIRST_STEP
from fastnst.reference.memory import needed_bytes
from fastnst.reference.optimize import OptimizeConfig, Optimized, Step, initial_image, optimize
from tests.conftest import gradient

LAYERS = (
    ("conv1_1", ConvSpec(8, 3, 1, 1, 0)),
    ("relu1_1", None),
    ("pool1", (2, 2)),
    ("conv2_1", ConvSpec(8, 3, 1, 1, 3)),
)


@pytest.fixture
def objective() -> Objective:
    torch.manual_seed(0)
    network = PerceptualNetwork(LAYERS, TORCHVISION)
    chosen = Objective(network, ObjectiveConfig(content_layers=["conv2_1"], style_layers=["relu1_1", "conv2_1"]))
    chosen.set_style([torch.rand(1, 3, 40, 40) ** 3])
    return chosen


def smooth(height: int = 48, width: int = 56) -> torch.Tensor:
    return torch.from_numpy(gradient(height, width).copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(("optimizer", "init"), [("lbfgs", "content"), ("adam", "noise"), ("lbfgs", "blend")])
def test_the_objective_falls_and_the_best_picture_is_kept(objective: Objective, optimizer: str, init: str) -> None:
    photo = smooth()
    run = optimize(photo, objective, OptimizeConfig(optimizer=optimizer, init=init, steps=40))
    totals = [step.terms["total"] for step in run.history]
    assert len(totals) == 40
    assert min(totals) < 0.4 * totals[0]
    assert run.image.shape == photo.shape
    with torch.no_grad():
        total = objective(run.image, objective.content_target(photo)).total.item()
    assert total < 0.6 * totals[0]  # clipped to [0, 1], which the descent was not


def test_coarse_to_fine_ends_at_full_size(objective: Objective) -> None:
    run = optimize(smooth(48, 57), objective, OptimizeConfig(steps=5, scales=3))
    assert run.image.shape == (1, 3, 48, 57)
    assert len(run.history) == 15


def test_a_seed_repeats_itself(objective: Objective) -> None:
    config = OptimizeConfig(init="noise", steps=3, seed=5)
    first, second = (optimize(smooth(), objective, config).image for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(initial_image(smooth(), config), initial_image(smooth(), OptimizeConfig(init="noise")))


def test_a_mix_is_the_share_of_both() -> None:
    photo = smooth()
    noise = initial_image(photo, OptimizeConfig(init="noise"))
    mix = initial_image(photo, OptimizeConfig(init="blend", blend=0.6))
    assert torch.allclose(mix, 0.6 * photo + 0.4 * noise)


def test_steps_a_thousand_times_too_long_are_shortened(objective: Objective) -> None:
    run = optimize(smooth(), objective, OptimizeConfig(learning_rate=1e4, steps=30))
    totals = [step.terms["total"] for step in run.history]
    assert run.restarts == 0
    assert min(totals) < 0.5 * totals[0]
    assert max(totals) < 3 * totals[0]


def test_adam_that_diverges_is_said_and_survived(objective: Objective, caplog: pytest.LogCaptureFixture) -> None:
    run = optimize(smooth(), objective, OptimizeConfig(optimizer="adam", learning_rate=1e3, steps=30))
    messages = [record.getMessage() for record in caplog.records if "diverged" in record.getMessage()]
    assert run.restarts > 1 < len(messages)
    totals = [step.terms["total"] for step in run.history]
    with torch.no_grad():
        assert objective(run.image, objective.content_target(smooth())).total.item() <= totals[0] * 1.2


def test_the_first_step_is_one_that_features_can_see(objective: Objective) -> None:
    """PyTorch's own first step, of an L1 norm of 1, is below a bfloat16's resolution."""
    seen: list[torch.Tensor] = []
    optimize(smooth(), objective, OptimizeConfig(steps=2), watcher=lambda _, image: seen.append(image.clone()))
    assert float((seen[1] - seen[0]).square().mean().sqrt()) == pytest.approx(FIRST_STEP, rel=1e-3)


@pytest.mark.parametrize("projected", [False, True])
def test_the_history_holds_how_far_the_pixels_really_moved(
    objective: Objective, projected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortened or clipped, a step and its change of gradient belong together."""
    photo = smooth().clamp(0.02, 0.98)
    positions: list[torch.Tensor] = []
    kept: list[torch.Tensor] = []
    step = torch.optim.LBFGS.step

    def spied(optimizer: torch.optim.LBFGS, closure) -> object:  # type: ignore[no-untyped-def]
        (image,) = optimizer.param_groups[0]["params"]
        positions.append(image.detach().clone())
        found = step(optimizer, closure)
        kept.extend(optimizer.state[image].get("old_stps", [])[-1:])
        return found

    monkeypatch.setattr(torch.optim.LBFGS, "step", spied)
    optimize(photo, objective, OptimizeConfig(steps=8, projected=projected))
    moved = [(after - before).flatten() for before, after in pairwise(positions)]
    assert len(kept) >= 4
    torch.testing.assert_close(kept[-1], moved[-1], atol=1e-6, rtol=1e-4)


def test_a_refused_step_is_tried_again_at_a_quarter(objective: Objective) -> None:
    """From where the third evaluation is made to look bad, the fourth is a quarter of the way."""
    original = Objective.forward
    seen: list[torch.Tensor] = []

    def spoilt(images, target, masks=None):  # type: ignore[no-untyped-def]
        seen.append(images.detach().clone())
        terms = original(objective, images, target, masks=masks)
        return LossTerms(terms.parts, terms.total * 1e3) if len(seen) == 3 else terms

    objective.forward = spoilt  # type: ignore[method-assign]
    optimize(smooth(), objective, OptimizeConfig(steps=4))
    torch.testing.assert_close(seen[3] - seen[1], (seen[2] - seen[1]) / 4, atol=1e-6, rtol=1e-4)


def test_a_style_to_start_from(objective: Objective, negative_model: Path) -> None:
    photo = smooth()
    config = OptimizeConfig(init=f"style:{negative_model}", steps=3)
    torch.testing.assert_close(initial_image(photo, config), 1 - photo, atol=1 / 255, rtol=0)
    run = optimize(photo, objective, config)
    from_it = optimize(photo, objective, OptimizeConfig(steps=3), start=initial_image(photo, config))
    assert torch.equal(run.image, from_it.image)


def test_an_interruption_keeps_the_best_picture(objective: Objective) -> None:
    def interrupt(step, _image) -> None:
        if step.number == 5:
            raise KeyboardInterrupt

    run = optimize(smooth(), objective, OptimizeConfig(steps=10), watcher=interrupt)
    assert run.interrupted
    assert len(run.history) == 5
    original = objective.measure
    calls = []

    def interrupted(*arguments, **options):
        calls.append(None)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    objective.measure = interrupted  # type: ignore[method-assign]
    run = optimize(smooth(), objective, OptimizeConfig(steps=10))
    assert run.interrupted
    assert len(run.history) == 6


def test_curves_are_of_one_length_whatever_happened_to_the_descent() -> None:
    history = [Step(n, {"total": total}, n) for n, total in enumerate((4.0, float("nan"), 3.0, 9.0), start=1)]
    assert best_so_far(Optimized(smooth(), history), 6) == [4, 4, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be between 1 and 1,000,000, not 0"),
        ({"seed": 1 << 63}, "seed must be at least 0"),
        ({"scales": 17}, "scales must be between 1 and 16, not 17"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'"),
        ({"init": "nosie"}, "Did you mean 'noise'"),
        ({"blend": 1.5}, "blend must be between 0 and 1"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0"),
        ({"scales": 9}, "at the coarsest scale"),
        ({"init": "style:x", "scales": 2}, "starts at the full size: use scales 1, not 2"),
    ],
)
def test_meaningless_descents_are_refused(objective: Objective, changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        optimize(smooth(), objective, OptimizeConfig(**changes))


def test_equivalent_iterations() -> None:
    curve = [8.0, 4.0, 2.0, 1.0]
    assert equivalent_iterations(3.0, curve) == pytest.approx(1.5)
    assert equivalent_iterations(9.0, curve) == 0
    assert equivalent_iterations(0.5, curve) is None


def test_artifact_measures_see_what_they_should(photo: Image.Image) -> None:
    clean = np.asarray(photo)
    y, x = np.mgrid[0 : clean.shape[0], 0 : clean.shape[1]]
    grid = clean.astype(int) + 12 * ((x % 4 == 0) & (y % 4 < 2))[..., None]
    grid = np.clip(grid, 0, 255).astype(np.uint8)
    assert grid_energy(clean) < 2
    assert grid_energy(grid) > 10 * grid_energy(clean)
    framed = clean.copy()
    framed[:4, :, :], framed[-4:], framed[:, :4], framed[:, -4:] = 255, 0, 255, 0
    assert border_energy(framed) > 1.5 * border_energy(clean)
    blobs = clean.copy()
    blobs[100:200, 100:200] = 255
    assert saturated_share(blobs) - saturated_share(clean) == pytest.approx(1e4 / clean[..., 0].size, rel=0.2)


def test_blobs_are_large_clipped_areas_where_the_photo_has_none() -> None:
    photo = np.full((100, 100, 3), 128, dtype=np.uint8)
    assert blob_share(photo) == 0
    blobs = photo.copy()
    blobs[10:30, 10:60] = (255, 0, 0)  # a colour whose channels are all clipped
    blobs[50:70, 50] = 0  # a line and
    blobs[80:84, 80:84] = 255  # a dot are no blobs
    assert blob_share(blobs, photo) == blob_share(blobs) == 0.1
    assert blob_share(blobs, blobs) == 0
    photo[10:30, 10:36] = 255  # the photo is burnt there itself: 7 pixels around it do not count either
    assert blob_share(blobs, photo) == pytest.approx((60 - 36 - 7) * 20 / 1e4)
    noise = np.random.default_rng(0).choice(np.array([0, 255], dtype=np.uint8), (100, 100, 3))
    assert blob_share(noise) == 1  # clipped all over, whatever the pattern


def test_memory_grows_with_the_area_and_is_checked_first(objective: Objective, monkeypatch) -> None:
    layers = objective.layers
    small, large = (needed_bytes(objective.perceptual, layers, side, side) for side in (100, 200))
    assert large == pytest.approx(4 * small, rel=1e-3)
    from fastnst.reference import memory

    monkeypatch.setattr(memory, "available_bytes", lambda device: 10_000)
    with pytest.raises(ConfigError, match=r"would need about .* GB of memory and 0\.0 GB are free.*--size"):
        memory.check_memory(objective.perceptual, layers, 1000, 1000, torch.device("cpu"), 4)


def test_floats_of_a_picture_survive() -> None:
    image = smooth()
    assert np.array_equal(np.asarray(from_unit_floats(image[0].numpy())), gradient(48, 56))
