"""Portraits at the camera, with people who are easily found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnst import cli
from fastnst.errors import OutputError
from fastnst.runtime import Stylizer
from fastnst.runtime.camera.capture import Camera
from fastnst.runtime.camera.controls import Controls
from fastnst.runtime.camera.session import Live, LiveOptions, MattingThread
from fastnst.runtime.portrait.compositor import Portrait, PortraitOptions
from fastnst.runtime.portrait.matting_model import MattingModel
from tests.matting_models import disc, scene, write_ours
from tests.runtime.cameras import Fake, Scripted
from tests.runtime.clips import make_clip, pictures

PERSON, CORNER = (48, 64), (3, 3)


class Person(Fake):
    """A red person before blue, a little to the right."""

    def read(self) -> tuple[bool, Any]:
        good, _ = super().read()
        return good, np.roll(scene(disc(96, 128)), 16, axis=1)[..., ::-1] if good else None


class Watched(Portrait):
    """Counts how often the past is forgotten; can be made to fail."""

    resets = 0
    failure: Exception | None = None

    def find(self, photo: np.ndarray) -> np.ndarray:
        if self.failure:
            raise self.failure
        return super().find(photo)

    def reset(self) -> None:
        self.resets += 1
        super().reset()


@pytest.fixture
def portrait(tmp_path: Path) -> Watched:
    model = MattingModel(write_ours(tmp_path / "m.onnx", reference_size=96), "cpu")
    return Watched(PortraitOptions("person", background="#204060"), model, video=True)


def portraits(camera: Camera, model: Path, screen: Any, portrait: Portrait, count: int) -> Live:
    people = MattingThread(portrait)
    session = Live(
        camera,
        [Stylizer(model, "cpu")],
        screen,
        LiveOptions(frames=count),
        Controls(information=False),
        people=people,
    )
    try:
        session.run()
    finally:
        people.close()
    return session


def test_portraits_and_their_key(negative_model: Path, portrait: Watched) -> None:
    screen = Scripted({2: "b", 4: "b", 6: "n", 7: "m", 9: "o"})
    with Camera("0", lambda _: Person(0.01)) as camera:
        portraits(camera, negative_model, screen, portrait, 10)
    people, plain = [0, 255, 255], [255, 255, 0]
    for picture in screen.shown[0], screen.shown[1], screen.shown[4], screen.shown[5], screen.shown[6]:
        assert picture[PERSON].tolist() == people
        assert picture[CORNER].tolist() == [0x20, 0x40, 0x60]
    for picture in screen.shown[2:4]:
        assert picture[PERSON].tolist() == people
        assert picture[CORNER].tolist() == plain
    # In the mirror the person stands on the left, at once: the mattes of before are forgotten.
    assert np.array_equal(screen.shown[7], screen.shown[6][:, ::-1])
    assert screen.shown[9][CORNER].tolist() == [0, 0, 255]  # side by side: the photo comes first
    assert portrait.resets == 1 + 4  # after the warm-up; b, b, m, o, but not at another style


def test_another_camera_starts_the_mattes_anew(negative_model: Path, portrait: Watched) -> None:
    opened: list[Person] = []

    def opener(_: int | str) -> Person:
        opened.append(Person(0.01, last=4) if not opened else Person(0.01))
        return opened[-1]

    with Camera("0", opener, retry=0.5) as camera:
        session = portraits(camera, negative_model, Scripted({}), portrait, 8)
    assert session.stats.shown == 8
    assert portrait.resets >= 2


def test_a_matting_that_fails_ends_the_session(negative_model: Path, portrait: Watched) -> None:
    portrait.failure = OutputError("the matting broke.")
    with Camera("0", lambda _: Person(0.01)) as camera, pytest.raises(OutputError, match="the matting broke"):
        portraits(camera, negative_model, Scripted({}), portrait, 8)


def test_portraits_on_the_command_line(capsys, negative_model: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", frames=10, sound=None, draw=lambda _, w, h: scene(disc(h, w)), crf=3)
    model = write_ours(tmp_path / "m.onnx", reference_size=64, white=240)
    arguments = ["camera", "--camera", clip, "--style", negative_model, "--provider", "cpu", "--headless"]
    arguments += ["--portrait", "background", "--background", f"style:{negative_model}", "--matting-model", model]
    arguments += ["--frames", 20, "--record", "--folder", tmp_path / "made", "--stats"]
    assert cli.main([*map(str, arguments)]) == 0
    assert "20 shown" in capsys.readouterr().out
    (film,) = (tmp_path / "made").iterdir()
    first = pictures(film)[0]
    assert np.abs(first[32, 48] - (255, 0, 0)).max() < 16
    assert np.abs(first[3, 3] - (255, 255, 0)).max() < 16
