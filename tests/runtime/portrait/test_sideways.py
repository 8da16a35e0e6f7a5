"""Pictures that lie on their side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.runtime.portrait.matting_model import MattingModel
from fastnst.runtime.portrait.sideways import may_lie, quarter_turns
from tests.matting_models import disc, scene, write_ours

PERSON = disc(60, 90, soft=1)
NOBODY = np.zeros_like(PERSON)
ELSEWHERE = np.roll(PERSON, 30, axis=1)


@pytest.mark.parametrize(
    ("alpha", "left", "right", "alpha_is_sure", "turns"),
    [
        (NOBODY, PERSON, PERSON, False, 1),
        (NOBODY, PERSON * 0.85, PERSON, False, 3),  # upright it is surer
        (PERSON * 0.7, PERSON, PERSON, False, 1),
        (PERSON, PERSON, PERSON, True, 0),
        (np.where(np.arange(90) < 45, PERSON, 0), PERSON, PERSON, True, 1),  # half of them
        (NOBODY, PERSON, ELSEWHERE, False, 0),
        (NOBODY, PERSON, NOBODY, False, 0),
        (NOBODY, disc(60, 90) * (np.arange(90) < 50), PERSON, False, 3),  # a part, when standing on the head
        (NOBODY, *2 * [np.pad(disc(16, 20), ((0, 44), (0, 70)))], False, 0),  # a speck
    ],
)
def test_both_views_must_agree_and_find_far_more(
    alpha: FloatPlane, left: FloatPlane, right: FloatPlane, alpha_is_sure: bool, turns: int
) -> None:
    assert quarter_turns(alpha, left, right, alpha_is_sure=alpha_is_sure) == turns


def test_a_matte_that_fills_the_picture_needs_no_other_view() -> None:
    assert may_lie(PERSON)
    assert not may_lie(np.ones((4, 4), np.float32))


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_photo_on_its_side_gets_the_matte_of_the_upright_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """The model of this test finds people only where the sky, blue, is above or below them."""
    model = MattingModel(write_ours(tmp_path / "m.onnx", reference_size=96), "cpu")
    upright = scene(disc(96, 128))
    upright[:8, :, 2], upright[8:, :, 2] = 255, 0
    right = model.people(upright)
    real = MattingModel.coarse

    def blind(self: MattingModel, photo: UInt8Image, short_side: int | None = None) -> tuple[FloatPlane, UInt8Image]:
        alpha, small = real(self, photo, short_side)
        sky = (photo[..., 2] == 255).mean(axis=1)
        return (alpha if sky[0] == 1 else 0.95 * alpha if sky[-1] == 1 else 0 * alpha), small

    monkeypatch.setattr(MattingModel, "coarse", blind)
    photo = np.ascontiguousarray(np.rot90(upright, turns))
    found = model.people(photo)
    assert found.flags.c_contiguous
    assert np.array_equal(found, np.rot90(right, turns))
    assert model(photo).max() == (0 if turns else 1)  # clips and the camera look once
