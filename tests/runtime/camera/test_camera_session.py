"""The camera with captures of our own: newest pictures only, keys, lost cameras, recordings."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import CameraError, MissingDependencyError, OutputError
from fastnst.runtime import Stylizer
from fastnst.runtime.camera.capture import Camera
from fastnst.runtime.camera.controls import Controls
from fastnst.runtime.camera.outputs import VirtualCamera, Window
from fastnst.runtime.camera.session import Live, LiveOptions
from fastnst.runtime.camera.stats import Stats
from tests.runtime.cameras import Fake, Scripted, Stepped
from tests.runtime.clips import make_clip, pictures, probe


def live(
    camera: Camera, model: Path, screen: Any, count: int, folder: Path = Path(), styles: int = 1, **controls: Any
) -> Live:
    stylizers = [Stylizer(model, "cpu") for _ in range(styles)]
    options = LiveOptions(frames=count, folder=folder)
    return Live(camera, stylizers, screen, options, Controls(information=False, **controls))


@pytest.mark.parametrize("meanwhile", [1, 3])
def test_only_the_newest_picture_is_shown(negative_model: Path, meanwhile: int) -> None:
    """Whatever came while a picture was shown, the next one is the newest; those between are dropped and counted."""
    capture = Stepped()

    def show() -> None:
        if len(screen.shown) == 0:
            capture.hold()
            newest.append(capture.given)
        capture.give(meanwhile)

    newest: list[int] = []
    screen = Scripted({9: "q"}, show)
    with Camera("0", lambda _: capture) as camera:
        session = live(camera, negative_model, screen, 99)
        session.run()
        capture.stop()
    levels = 255 - np.array([picture[0, 0, 0] for picture in screen.shown[1:]], int)
    expected = [newest[0] + meanwhile * (number + 1) for number in range(8)]
    assert (levels == np.array(expected) % 256).all()
    assert session.stats.dropped >= 7 * (meanwhile - 1)
    assert session.stats.dropped - 7 * (meanwhile - 1) <= newest[0] + meanwhile  # what came before, during the warm-up


def test_switching_styles_loses_no_picture(negative_model: Path) -> None:
    capture = Stepped()

    def show() -> None:
        if len(screen.shown) == 0:
            capture.hold()
        capture.give(1)

    screen = Scripted({index: "n" for index in range(1, 13)}, show)
    with Camera("0", lambda _: capture) as camera:
        session = live(camera, negative_model, screen, 13, styles=3)
        session.run()
        capture.stop()
    levels = 255 - np.array([picture[0, 0, 0] for picture in screen.shown[1:]], int)
    assert (np.diff(levels) == 1).all()
    assert session.controls.style == 12 % 3


def test_a_lost_camera_is_reported_and_comes_back(caplog, negative_model: Path) -> None:
    opened: list[Fake] = []

    def opener(_: int | str) -> Fake:
        # The first gives five pictures, the next two attempts find nothing, then it is plugged in again.
        opened.append(Fake(0.01, last=5) if not opened else Fake(0.01, opened=len(opened) > 2))
        return opened[-1]

    screen = Scripted({})
    with Camera("0", opener, retry=0.05) as camera:
        session = live(camera, negative_model, screen, 12)
        session.run()
        assert not camera.lost
    assert session.stats.shown == 12
    assert len(opened) == 4
    assert "the camera 0 gives no pictures: trying again every 0.05 s." in caplog.text
    assert "the camera 0 is back." in caplog.text


def test_an_error_in_the_thread_reaches_the_loop(negative_model: Path) -> None:
    class Broken(Fake):
        def read(self) -> tuple[bool, Any]:
            raise CameraError("the driver broke.")

    with (
        Camera("0", lambda _: Broken()) as camera,
        pytest.raises(CameraError, match="the driver broke"),
    ):
        live(camera, negative_model, Scripted({}), 3).run()


def test_no_camera_is_one_sentence_with_what_was_tried() -> None:
    closed = lambda _: Fake(opened=False)  # noqa: E731
    with pytest.raises(CameraError, match=r"no camera could be opened \(tried 0, 1, 2, 3\)"):
        Camera(None, closed)
    with pytest.raises(CameraError, match=r"\(tried rtsp://nowhere/1\)"):
        Camera("rtsp://nowhere/1", closed)
    with pytest.raises(CameraError, match="is not a number, not an address, and not a file"):
        Camera("nope.mp4", closed)


def test_keys() -> None:
    state = Controls(styles=3)
    assert state.press("n").style == 1
    assert state.press("p").style == 2
    assert state.press("-").press("-").strength == 0.8
    assert state.press("+").strength == 1.0
    assert state.press("c").preserve_color
    assert [state.press("o").view, state.press("o").press("o").view] == ["side by side", "original"]
    assert state.press("m").mirror
    assert not state.press("b").portrait
    assert state.press("b").press("b").portrait
    assert not state.press("i").information
    assert state.press("r").recording
    assert state.press("s").snapshot
    assert not state.press("s").press("x").snapshot
    assert state.press("q").quit
    assert state.press("\x1b").quit
    assert state.press("?") == state


def test_views_mirror_and_strength(negative_model: Path) -> None:
    class Halves(Fake):
        def read(self) -> tuple[bool, Any]:
            good, bgr = super().read()
            bgr[:], bgr[:, 32:] = 10, 200
            return good, bgr

    screen = Scripted({1: "o", 2: "o", 3: "o", 4: "m", 5: "-", 6: "q"})
    with Camera("0", lambda _: Halves(0.01)) as camera:
        live(camera, negative_model, screen, 99).run()
    stylized, both, original, again, mirrored, weaker = screen.shown
    left_and_right = [[int(picture[0, 0, 0]), int(picture[0, -1, 0])] for picture in screen.shown]
    assert left_and_right[0] == [245, 55]
    assert both.shape == (48, 128, 3)
    assert left_and_right[1] == [10, 55]
    assert left_and_right[2] == [10, 200]
    assert np.array_equal(again, stylized)
    assert np.array_equal(original, 255 - stylized)
    assert left_and_right[4] == [55, 245]
    assert np.abs(weaker.astype(int) - mirrored).max() > 10


def test_snapshots_and_recordings(caplog, negative_model: Path, tmp_path: Path) -> None:
    screen = Scripted({2: "s", 3: "r", 15: "r", 18: "q"})
    with Camera("0", lambda _: Fake(0.02)) as camera:
        live(camera, negative_model, screen, 99, tmp_path).run()
    (shot,) = tmp_path.glob("*.png")
    with Image.open(shot) as image:
        assert np.array_equal(np.asarray(image), screen.shown[1])
    (film,) = tmp_path.glob("*.mp4")
    seen = probe(film)
    assert seen.size == (64, 48)
    assert len(seen.times["video"]) == 12
    steps = np.diff([float(time) for time in seen.times["video"]])
    assert np.median(steps) > 0.018  # the times at which pictures were captured: a busy machine has longer ones
    assert np.abs(pictures(film) - np.stack(screen.shown[3:15])).mean() < 5
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", ".png"]


def test_a_recording_that_cannot_be_written_ends_the_session(negative_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            with Camera("0", lambda _: Fake(0.01)) as camera:
                live(camera, negative_model, Scripted({}), 500, tmp_path / "file" / "x", recording=True).run()
        except OutputError as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert "cannot be written" in str(outcome[0])


def test_a_file_is_played_at_its_own_rate_again_and_again(capsys, negative_model: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", frames=10, sound=None)
    started = time.perf_counter()
    arguments = ["camera", "--camera", clip, "--style", negative_model, "--style", negative_model, "--provider", "cpu"]
    code = cli.main([*map(str, arguments), "--headless", "--frames", "30", "--stats"])
    out, _ = capsys.readouterr()
    assert code == 0
    assert (
        time.perf_counter() - started > 29 * 1001 / 30000
    )  # never faster than its own rate, whatever the machine does
    assert "30 shown" in out
    assert "a frame's interval 33.4 ms" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--camera", "nope.mp4"], "is not a number, not an address, and not a file"),
        (["--frames", "0"], "frames must be at least 1"),
        (["--max-size", "3"], "at least 16 pixels"),
        (["--strength", "3"], "between 0 and 1"),
        (["--style", "stary_night"], "unknown style"),
        (["--portrait", "cutout"], "clips and the camera have no transparency"),
        (["--portrait", "person", "--matte", "m.png"], "--matte is one photo's matte"),
        (["--portrait", "persn"], "unknown portrait mode 'persn'. Did you mean 'person'?"),
        (["--background", "blur"], "--background needs --portrait MODE"),
        (["--portrait", "person", "--matting-model", "nope.onnx"], "the matting model nope.onnx does not exist"),
    ],
)
def test_bad_options_are_one_sentence(capsys, negative_model: Path, options: list[str], message: str) -> None:
    assert cli.main(["camera", "--headless", "--style", str(negative_model), *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_window_without_a_display_is_reported(monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CameraError, match="no display to show a window on: pass --headless"):
        Window()


def test_a_missing_package_names_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", None)
    with pytest.raises(MissingDependencyError, match=r"fastnst\[virtualcam\]"):
        VirtualCamera(30)


def test_stats_do_not_grow_and_tell_percentiles(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    stats = Stats()
    for index in range(1000):
        clock[0] += 0.1
        stats.add(clock[0] - (0.2005 if index % 10 == 0 else 0.0505), 0.04, 2)
    summary = stats.summary(0.1)
    assert stats.dropped == 2000
    assert abs(stats.rate - 10) < 0.1
    assert "50 ms median, 200 ms for 95 %" in summary
    assert "inference 40.0 ms, a frame's interval 100.0 ms: their sum, the goal, is 140.0 ms" in summary
    assert len(stats._recent) <= 102
