from __future__ import annotations

import numpy as np

from fastnst.runtime.temporal import TemporalSmoothing
from tests.matting_models import disc


def test_smoothing_calms_flicker_and_follows_motion() -> None:
    smooth = TemporalSmoothing()
    still = np.full((4, 4), 0.5, np.float32)
    smooth(still)
    calmed = smooth(still + np.float32(0.1))
    assert 0.5 < calmed.mean() < 0.58
    assert np.array_equal(smooth(np.ones((4, 4), np.float32)), np.ones((4, 4)))
    other = disc(8, 6)
    assert np.array_equal(smooth(other), other)
    smooth.reset()
    assert np.array_equal(smooth(other * 0.9), other * np.float32(0.9))
