"""Interlaced clips come out whole, and it is said."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from fastnst import cli
from tests.runtime.clips import pictures, probe


def combed(index: int, width: int, height: int) -> np.ndarray:
    """A bar that moves four pixels between the two fields of a frame."""
    rgb = np.full((height, width, 3), 60, np.uint8)
    for field in (0, 1):
        left = 8 + 8 * index + 4 * field
        rgb[field::2, left : left + 12] = 220
    return rgb


def write(path: Path, *, interlaced: bool) -> Path:
    flags = {"flags": "+ildct+ilme"} if interlaced else {}
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video", rate=Fraction(25), options={**flags, "qscale": "1", "qmax": "2"})
        video.width, video.height, video.pix_fmt = 128, 64, "yuv420p"
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(combed(index, 128, 64)).reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


def comb(frames: np.ndarray) -> float:
    """Mean difference of lines from their neighbours' mean, which moving fields leave behind."""
    lines = frames[..., 1].astype(float)
    return float(np.abs(lines[:, 1:-1] - (lines[:, :-2] + lines[:, 2:]) / 2).mean())


@pytest.mark.parametrize("suffix", [".mpg", ".mkv"])
def test_moving_fields_are_made_whole(negative_model: Path, tmp_path: Path, capsys, suffix: str) -> None:
    source = write(tmp_path / f"in{suffix}", interlaced=True)
    arguments = ["stylize", source, "--style", negative_model, "-o", tmp_path / "out.mp4", "--provider", "cpu"]
    assert cli.main([*map(str, arguments), "--crf", "3"]) == 0
    assert "is interlaced: its pictures were made whole (bwdif)" in capsys.readouterr().err
    before, after = pictures(source), pictures(tmp_path / "out.mp4")
    assert after.shape == before.shape
    assert comb(after) < 0.3 * comb(before)
    times = probe(tmp_path / "out.mp4").times["video"]
    assert {round(float(after - before), 4) for before, after in itertools.pairwise(times)} == {0.04}


def test_whole_pictures_pass_as_they_are(negative_model: Path, tmp_path: Path, capsys) -> None:
    source = write(tmp_path / "in.mkv", interlaced=False)
    arguments = ["stylize", source, "--style", negative_model, "-o", tmp_path / "out.mp4", "--provider", "cpu"]
    assert cli.main([*map(str, arguments), "--crf", "3"]) == 0
    assert "interlaced" not in capsys.readouterr().err
    assert np.abs(pictures(tmp_path / "out.mp4") - (255 - pictures(source))).mean() < 3
