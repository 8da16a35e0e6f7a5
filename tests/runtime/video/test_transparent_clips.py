"""Clips with an alpha channel: stickers that editors export."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fastnst.runtime.video.reader import VideoSource
from tests.runtime.clips import pictures, stylize

SIZE = (64, 48)
CODECS = {"qtrle": ("argb", "mov"), "prores_ks": ("yuva444p10le", "mov"), "libvpx-vp9": ("yuva420p", "webm")}


def sticker(index: int) -> np.ndarray:
    """An orange square that moves over black nothing, uint8 `[H, W, 4]`."""
    layers = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    layers[16:32, 8 + 4 * index : 24 + 4 * index] = (250, 170, 40, 200)
    return layers


def make(path: Path, codec: str, pixels: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
        if codec == "libvpx-vp9":
            stream.metadata["alpha_mode"] = "1"
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(sticker(index), format="rgba").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(params=CODECS)
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    codec: str = request.param
    pixels, suffix = CODECS[codec]
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    return make(tmp_path / f"in.{suffix}", codec, pixels)


def test_transparency_is_read_and_visible_colours_lie_under_it(clip: Path) -> None:
    frames = list(VideoSource(clip).frames())
    assert len(frames) == 5
    for index, frame in enumerate(frames):
        assert frame.alpha is not None
        right = sticker(index)
        assert np.abs(frame.alpha.astype(int) - right[..., 3]).mean() < 3
        assert (
            np.abs(frame.rgb[20:28, 14 + 4 * index : 18 + 4 * index].astype(int) - right[22, 16 + 4 * index, :3]).max()
            < 20
        )
        assert frame.rgb[2, 2, 0] > 200  # no black that the style would draw


def test_animations_keep_it_and_videos_have_white(negative_model: Path, clip: Path, tmp_path: Path, capsys) -> None:
    assert stylize(negative_model, clip, tmp_path / "out.webp") == 0
    with Image.open(tmp_path / "out.webp") as image:
        assert getattr(image, "n_frames", 1) == 5
        layers = np.asarray(image.convert("RGBA")).astype(int)
    assert layers[2, 2, 3] == 0
    assert np.abs(layers[24, 16] - (5, 85, 215, 200)).max() < 25
    assert "white" not in capsys.readouterr().err
    assert stylize(negative_model, clip, tmp_path / "out.mp4", "--crf", 5) == 0
    assert pictures(tmp_path / "out.mp4")[:, 4, 60].min() > 245
    assert "it lies on white: name a .webp, .apng or .gif" in capsys.readouterr().err


def test_a_fourth_channel_that_is_only_padding_is_none(tmp_path: Path) -> None:
    """Screen recorders write raw pictures of four bytes a pixel, of which the last is zero."""
    with av.open(str(tmp_path / "in.avi"), "w") as container:
        stream = container.add_stream("rawvideo", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgra"
        pixels = np.full((SIZE[1], SIZE[0], 4), (250, 170, 40, 0), np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format="bgra")
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (found,) = VideoSource(tmp_path / "in.avi").frames()
    assert found.alpha is None
    assert np.array_equal(found.rgb, pixels[..., :3])
