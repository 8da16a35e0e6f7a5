"""The finishing chain: its order, and that photos, clips and the camera give the same pixels for the same options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastnst.errors import ConfigError
from fastnst.runtime import Stylizer
from fastnst.runtime.camera.capture import Camera
from fastnst.runtime.camera.controls import Controls
from fastnst.runtime.camera.session import Live, LiveOptions, MattingThread
from fastnst.runtime.finishing import Finisher, RestyleOptions
from fastnst.runtime.portrait.compositor import Portrait, PortraitOptions
from fastnst.runtime.portrait.matting_model import MattingModel
from fastnst.runtime.video.stages import FrameStylist
from fastnst.runtime.video.types import Frame
from tests.conftest import gradient
from tests.matting_models import disc, scene, write_ours
from tests.runtime.cameras import Fake, Scripted

RESTYLINGS = [
    RestyleOptions(),
    RestyleOptions(strength=0.3),
    RestyleOptions(strength=0.5, preserve_color=True),
    RestyleOptions(strength=0.5, preserve_color=True, smooth=True),
]


def walking(number: int) -> np.ndarray:
    """A person who moves to the right, a pixel a picture."""
    return np.roll(scene(disc(96, 128, soft=4)), number, axis=1)


def portrait(folder: Path) -> Portrait:
    model = MattingModel(write_ours(folder / "m.onnx", reference_size=96), "cpu")
    return Portrait(PortraitOptions("person", background="#204060", fg_color="#ff8000"), model, video=True)


@pytest.mark.parametrize("restyling", RESTYLINGS)
def test_clips_and_the_camera_agree(negative_model: Path, tmp_path: Path, restyling: RestyleOptions) -> None:
    stylizer = Stylizer(negative_model, "cpu")
    photos = [walking(number) for number in range(1, 7)]
    stages = FrameStylist(stylizer, restyling, portrait=portrait(tmp_path)).stages
    frames = [Frame(number, 1, photo) for number, photo in enumerate(photos)]
    for stage in stages:
        frames = [result for frame in frames for result in stage.work([frame])]
    screen = Scripted({})
    people = MattingThread(portrait(tmp_path))
    options = LiveOptions(frames=len(photos), stroke=restyling.stroke, smooth=restyling.smooth)
    controls = Controls(information=False, strength=restyling.strength, preserve_color=restyling.preserve_color)
    finisher = Finisher(restyling, portrait(tmp_path))
    live = Live(Camera("0", lambda _: Fake()), [stylizer], screen, options, controls, people=people)
    shown = [live._restyled(photo) for photo in photos]
    people.close()
    for photo, frame, picture in zip(photos, frames, shown, strict=True):
        alone = finisher(photo, stylizer.restyle(photo), finisher.portrait.find(photo))  # type: ignore[union-attr]
        assert np.array_equal(frame.shown, alone)
        assert np.array_equal(picture, alone)


@pytest.mark.parametrize("restyling", [restyling for restyling in RESTYLINGS if not restyling.smooth])
def test_photos_agree_too(negative_model: Path, restyling: RestyleOptions) -> None:
    stylizer, photo = Stylizer(negative_model, "cpu"), gradient(60, 80)
    frame = FrameStylist(stylizer, restyling).restyle([Frame(0, 1, photo)])
    clip = FrameStylist(stylizer, restyling).adjust(frame)[0].shown
    called = stylizer(photo, strength=restyling.strength, preserve_color=restyling.preserve_color)
    assert np.array_equal(np.asarray(called), clip)
    assert np.array_equal(stylizer.batch(photo[None], restyling)[0], clip)


def test_the_photos_own_part_is_not_smoothed() -> None:
    """Strength comes after the smoothing: what is left of the photo follows the photo at once."""
    finisher = Finisher(RestyleOptions(strength=0.5, smooth=True))
    still = np.full((32, 32, 3), 100, np.uint8)
    finisher.adjust(still, np.zeros_like(still))
    flickering = finisher.adjust(still + 2, np.full_like(still, 200))
    held = 200 * (1 - 0.85)
    assert abs(float(flickering.mean()) - (102 + held) / 2) <= 1


def test_reset_forgets() -> None:
    finisher = Finisher(RestyleOptions(smooth=True))
    photo = gradient(32, 32)
    finisher.adjust(photo, np.zeros_like(photo))
    finisher.reset()
    assert np.array_equal(finisher.adjust(photo, photo), photo)


@pytest.mark.parametrize("change", [{"strength": 1.5}, {"strength": float("nan")}, {"stroke": 3.0}])
def test_numbers_out_of_range_are_refused(change: dict) -> None:
    with pytest.raises(ConfigError, match="must be between"):
        Finisher(replace(RestyleOptions(), **change))
