"""Frames to upright RGB and back: rotation, size, high dynamic range."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from fastnst.runtime.video.reader import VideoSource
from fastnst.runtime.video.tone_mapping import PQ, tone_map
from tests.runtime.clips import make_clip, pictures, probe, set_matrix, stylize


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "in.mp4")


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda stored: np.rot90(stored, -1, (1, 2))),
        ((-1, 0, 0, -1), lambda stored: np.rot90(stored, 2, (1, 2))),
        ((0, -1, 1, 0), lambda stored: np.rot90(stored, 1, (1, 2))),
        ((-1, 0, 0, 1), lambda stored: stored[:, :, ::-1]),
    ],
    ids=["90", "180", "270", "mirror"],
)
def test_rotation_is_applied(negative_model: Path, clip: Path, tmp_path: Path, matrix, turn) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(clip.read_bytes())
    set_matrix(source, *matrix)
    assert stylize(negative_model, source, tmp_path / "out.mp4", "--crf", 5) == 0
    assert np.abs(pictures(tmp_path / "out.mp4") - turn(255 - pictures(clip))).mean() < 3
    assert probe(tmp_path / "out.mp4").times == probe(clip).times


def test_high_dynamic_range_becomes_standard(negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", codec="libx265", pixels="yuv420p10le", tags=(9, 16, 9))
    assert stylize(negative_model, source, tmp_path / "out.mp4") == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (1, 1, 1)
    frames = VideoSource(source).frames()
    shown = next(frames).rgb.astype(int)
    frames.close()  # type: ignore[attr-defined]
    # The clip's square is 235 of 255 in all channels: 4,600 nits, which is white on a standard display.
    assert shown[20:28, 4:12].min() > 240


def test_tone_mapping_keeps_grey_grey_and_order() -> None:
    grey = np.linspace(0, 1, 50)[:, None].repeat(3, axis=1)
    mapped = tone_map(grey, PQ)
    assert np.abs(mapped - mapped[:, :1]).max() < 1e-3
    assert (np.diff(mapped[:, 0]) >= 0).all()
    diffuse_white = tone_map(np.full((1, 3), 0.5807), PQ)[0, 0]  # 203 nits, ITU-R BT.2408
    assert 0.85 < diffuse_white < 0.95
    assert mapped[0, 0] == 0
    assert mapped[-1, 0] > 0.99


def test_max_size_gives_even_sides(negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", size=(107, 59), pixels="yuv444p")
    output = tmp_path / "new" / "folder" / "out.mp4"
    assert stylize(negative_model, source, output, "--max-size", 61) == 0
    after = probe(output)
    assert (after.size, after.pixels) == ((60, 32), "yuv420p")
