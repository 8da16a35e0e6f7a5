"""A long clip in pieces, joined: what one run would have made, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnst import cli
from tests.matting_models import disc, scene, write_ours
from tests.runtime.clips import make_clip, pictures, probe

BOUNDARIES = ("2002/1000", "4.1")  # on a frame (60 of 29.97 a second) and between two


def run(command: str, *arguments: object) -> int:
    return cli.main([command, *map(str, arguments)])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def walking(index: int, width: int, height: int) -> np.ndarray:
        return np.roll(scene(disc(height, width, soft=4)), index // 4, axis=1)

    return make_clip(tmp_path_factory.mktemp("long") / "in.mp4", frames=150, size=(64, 48), draw=walking)


@pytest.mark.parametrize(
    "look_options",
    [
        [],
        pytest.param(["--smooth"], marks=pytest.mark.slow),
        pytest.param(["--portrait", "person", "--background", "#204060"], marks=pytest.mark.slow),
    ],
)
def test_pieces_become_the_undivided_clip(negative_model: Path, clip: Path, tmp_path: Path, look_options: list) -> None:
    model = write_ours(tmp_path / "m.onnx", reference_size=48, white=240)
    matting = ["--matting-model", model] if "--portrait" in look_options else []
    options = ["--style", negative_model, "--provider", "cpu", "--crf", 0, *look_options, *matting]
    assert run("stylize", clip, "-o", tmp_path / "whole.mp4", *options) == 0
    one, two = BOUNDARIES
    assert run("stylize", clip, "-o", tmp_path / "b.mp4", *options, "--start", one, "--end", two) == 0
    assert run("stylize", clip, "-o", tmp_path / "a.mp4", *options, "--end", one) == 0
    assert run("stylize", clip, "-o", tmp_path / "c.mp4", *options, "--start", two) == 0
    pieces = [tmp_path / f"{name}.mp4" for name in "cab"]
    assert run("join", *pieces, "--source", clip, "-o", tmp_path / "joined.mp4") == 0
    whole, joined = probe(tmp_path / "whole.mp4"), probe(tmp_path / "joined.mp4")
    assert joined.times == whole.times
    assert joined.packets["audio"] == whole.packets["audio"]
    difference = np.abs(pictures(tmp_path / "joined.mp4") - pictures(tmp_path / "whole.mp4"))
    assert difference.max() <= (1 if look_options else 0)


def test_pieces_that_do_not_fit_are_refused(negative_model: Path, clip: Path, tmp_path: Path, capsys) -> None:
    options = ["--style", negative_model, "--provider", "cpu"]
    assert run("stylize", clip, "-o", tmp_path / "a.mp4", *options, "--end", "1") == 0
    assert run("stylize", clip, "-o", tmp_path / "b.mp4", *options, "--start", "2") == 0
    assert run("stylize", clip, "-o", tmp_path / "other.mp4", *options, "--start", "1", "--strength", "0.3") == 0
    assert run("stylize", clip, "-o", tmp_path / "whole.mp4", *options) == 0
    capsys.readouterr()
    out = ["--source", clip, "-o", tmp_path / "out.mp4"]
    for pieces, message in (
        (["a", "b"], "a.mp4 goes to 1 s and {tmp}/b.mp4 begins at 2 s: pieces must adjoin"),
        (["a", "other"], "was begun with strength 0.3, not 1.0"),
        (["a", "whole"], "whole.mp4 is not a piece that fastnst made"),
    ):
        assert run("join", *(tmp_path / f"{name}.mp4" for name in pieces), *out) == 2
        assert message.format(tmp=tmp_path) in capsys.readouterr().err
    assert run("join", tmp_path / "a.mp4", "--source", clip, "-o", tmp_path / "out.gif") == 2
    assert run("join", tmp_path / "a.mp4", "--source", clip, "-o", tmp_path / "a.mp4", "--overwrite") == 2
    assert not (tmp_path / "out.mp4").exists()
