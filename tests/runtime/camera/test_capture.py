"""Values of `--camera`: numbers, addresses, devices, and files, which are read as clips are."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import CameraError
from fastnst.runtime import Stylizer
from fastnst.runtime.camera.capture import Camera, find_camera, is_file
from fastnst.runtime.camera.controls import Controls
from fastnst.runtime.camera.file_capture import FileCapture
from fastnst.runtime.camera.session import Live, LiveOptions
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.video.reader import VideoSource
from fastnst.runtime.video.stages import FrameStylist
from tests.runtime.cameras import Fake, Scripted
from tests.runtime.clips import make_clip


def closed(_: int | str) -> Fake:
    return Fake(opened=False)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("9" * 30, "there is no camera 9{30}: their numbers go from 0 to 9999"),
        ("99999", "there is no camera 99999"),
        ("-1", "is not a number"),
        ("٣", "is not a number"),
        ("²", "is not a number"),
        ("", "is not a number"),
        ("nosuch://x", "has an address that is not of rtsp"),
        ("file:///etc/passwd", "has an address that is not of rtsp"),
        ("concat://a|b", "has an address that is not of rtsp"),
        ("caf\udce9.mp4", "has a name that is not text"),
        ("\x1b]0;own\x07", r"the camera '\\x1b\]0;own\\x07' is not a number"),
        ("/dev/video77", r"\(tried /dev/video77\)"),
        ("7", r"\(tried 7\)"),
    ],
)
def test_what_is_not_a_camera_is_reported(wanted: str, message: str) -> None:
    with pytest.raises(CameraError, match=message):
        find_camera(wanted, closed)


def test_a_number_s_like_is_not_taken_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0").touch()
    assert not is_file("0")
    assert is_file("./0")


@pytest.mark.skipif(os.name == "nt", reason="devices of POSIX")
def test_a_clip_below_dev_is_a_file_and_a_device_is_not(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    assert is_file(f"/dev/..{tmp_path}/clip.mp4")
    assert not any(map(is_file, ("/dev/null", "/dev/video0", "/dev/nosuch")))


def test_a_file_s_pictures_are_those_of_a_clip(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "caf\udce9.mp4", size=(107, 59), pixels="yuv444p", frames=4, sound=None)
    capture = FileCapture(clip, max_size=61)
    read = [capture.read()[1] for _ in range(8)]
    frames = [frame.rgb for frame in VideoSource(clip, 61).frames()]
    for number, picture in enumerate(read):
        assert np.array_equal(picture, frames[number % 4])
    capture.release()
    assert not capture.isOpened()


@pytest.mark.parametrize("restyling", [RestyleOptions(), RestyleOptions(strength=0.4, preserve_color=True)])
def test_camera_and_clip_agree_on_a_file(negative_model: Path, tmp_path: Path, restyling: RestyleOptions) -> None:
    clip = make_clip(tmp_path / "in.mp4", size=(200, 113), pixels="yuv444p", frames=3, sound=None)
    stylizer = Stylizer(negative_model, "cpu")
    frames = list(VideoSource(clip, 96).frames())
    stylist = FrameStylist(stylizer, restyling)
    expected = [stylist.adjust(stylist.restyle([frame]))[0].shown for frame in frames]
    controls = Controls(information=False, strength=restyling.strength, preserve_color=restyling.preserve_color)
    camera = Camera(str(clip), max_size=96)
    live = Live(camera, [stylizer], Scripted({}), LiveOptions(max_size=96), controls)
    for picture in expected:
        shot = camera._capture.read()[1]
        assert np.array_equal(live._restyled(live._reduce(shot)), picture)


def test_devices_are_reduced_to_the_same_sizes(negative_model: Path) -> None:
    live = Live(
        Camera("0", lambda _: Fake()),
        [Stylizer(negative_model, "cpu")],
        Scripted({}),
        LiveOptions(max_size=61),
        Controls(),
    )
    assert live._reduce(np.zeros((59, 107, 3), np.uint8)).shape == (32, 60, 3)


def damaged(tmp_path: Path, kind: str) -> Path:
    content = bytearray(make_clip(tmp_path / "good.mp4", frames=12, sound=None).read_bytes())
    start = content.index(b"mdat") + 8
    if kind == "header":
        content = content[:start]
    elif kind == "riddled":
        for place in range(start, len(content), 3):
            content[place] ^= 0x5A
    else:
        content = bytearray(b"#EXTM3U\n#EXTINF:5,\n/etc/passwd\n")
    (tmp_path / "bad.mp4").write_bytes(bytes(content))
    return tmp_path / "bad.mp4"


@pytest.mark.parametrize("kind", ["header", "riddled", "playlist"])
def test_a_file_that_cannot_be_decoded_ends_at_once(negative_model: Path, tmp_path: Path, kind: str) -> None:
    """It does not wait for what will never come: either some of it plays, or one sentence says why not."""
    path = damaged(tmp_path, kind)

    def play() -> int:
        with Camera(str(path)) as camera:
            session = Live(camera, [Stylizer(negative_model, "cpu")], Scripted({}), LiveOptions(frames=3), Controls())
            session.run()
        return session.stats.shown

    if kind == "riddled":
        with contextlib.suppress(CameraError):
            assert play() == 3
        return
    with pytest.raises(CameraError, match=r"bad\.mp4"):
        play()


def test_a_camera_that_never_gives_a_picture_is_reported(negative_model: Path) -> None:
    class Dead(Fake):
        def read(self) -> tuple[bool, Any]:
            super().read()
            return False, None

    with Camera("0", lambda _: Dead(0.001), retry=0.01, patience=0.2) as camera:
        live = Live(camera, [Stylizer(negative_model, "cpu")], Scripted({}), LiveOptions(frames=1), Controls())
        with pytest.raises(CameraError, match="the camera 0 was opened but gives no pictures"):
            live.run()


def test_animations_are_played_on_white(tmp_path: Path) -> None:
    layers = np.zeros((32, 32, 4), np.uint8)
    layers[8:20, 8:20] = (10, 20, 30, 255)
    images = [Image.fromarray(np.roll(layers, shift, axis=1)) for shift in (0, 5)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=50, disposal=2)
    picture = FileCapture(tmp_path / "a.gif").read()[1]
    assert picture is not None
    assert picture[2, 2].tolist() == [255, 255, 255]
    assert picture[12, 12].tolist() == [10, 20, 30]
