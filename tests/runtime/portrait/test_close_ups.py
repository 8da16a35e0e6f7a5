"""A second look at faces that fill the frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnst.runtime.portrait.close_ups import filled, with_surroundings, without_surroundings
from fastnst.runtime.portrait.matting_model import MattingModel
from tests.conftest import gradient
from tests.matting_models import disc, scene, write_ours


def test_holes_are_filled_and_the_outline_stays() -> None:
    alpha = disc(60, 80, soft=1)
    holed = alpha.copy()
    holed[25:32, 35:45] = 0.1  # a mouth
    found = filled(holed, np.ones_like(alpha))
    assert found[28, 40] == 1
    assert np.array_equal(found[alpha < 0.5], alpha[alpha < 0.5])
    assert np.array_equal(filled(holed, np.zeros_like(alpha)), holed)  # only where the second look agrees


def test_what_opens_to_the_border_is_no_hole() -> None:
    alpha = np.ones((20, 20), np.float32)
    alpha[:12, 9:11] = 0  # the ground between two people
    assert np.array_equal(filled(alpha, np.ones_like(alpha)), alpha)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_second_look_only_adds_and_never_beyond_itself(height: int, width: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    alpha, second = (generator.random((height, width)).astype(np.float32) for _ in range(2))
    found = filled(alpha, second)
    assert (found >= alpha).all()
    assert (found <= np.maximum(alpha, second)).all()
    border = np.pad(np.zeros((max(0, height - 2), max(0, width - 2)), bool), 1, constant_values=True)[:height, :width]
    ground = border & (alpha < 0.5)
    assert np.array_equal(found[ground], alpha[ground])


@pytest.mark.parametrize("shape", [(40, 60), (61, 33)])
def test_the_photos_part_comes_back_from_its_surroundings(shape: tuple[int, int]) -> None:
    photo = gradient(*shape)
    wider = with_surroundings(photo)
    alpha = wider[..., 0].astype(np.float32)
    found = without_surroundings(alpha, shape)
    assert found.shape == shape
    assert np.abs(found - photo[..., 0]).mean() < 3


def test_close_ups_are_seen_a_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MattingModel(write_ours(tmp_path / "m.onnx", reference_size=96), "cpu")
    seen: list[tuple[int, ...]] = []
    real = MattingModel.coarse

    def counting(self: MattingModel, photo: np.ndarray, short_side: int | None = None) -> object:
        seen.append(photo.shape)
        return real(self, photo, short_side)

    monkeypatch.setattr(MattingModel, "coarse", counting)
    model.people(scene(disc(96, 128)))
    assert seen == [(96, 128, 3), (128, 96, 3), (128, 96, 3)]  # as given, and turned by a quarter each way
    seen.clear()
    near = np.full((96, 128), 1, np.float32)
    assert model.people(scene(near)).min() == 1
    assert seen == [(96, 128, 3), (144, 192, 3)]
    seen.clear()
    model(scene(near))  # clips and the camera look once
    assert len(seen) == 1
