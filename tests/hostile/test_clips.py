"""Damaged and hostile clips, for `stylize` and the camera: a result or one sentence, and nothing left behind."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from fastnst import cli
from tests.runtime.clips import make_clip, picture, pictures

KINDS = {
    "mp4": ({}, "out.mp4"),
    "mkv": ({}, "out.mkv"),
    "ts": ({}, "out.mp4"),
    "avi": ({"codec": "mpeg4", "sound": "mp2"}, "out.mp4"),
    "mpg": ({"codec": "mpeg2video", "sound": "mp2", "rate": Fraction(25)}, "out.mp4"),
    "gif": (None, "out.gif"),
    "webp": (None, "out.webp"),
    "png": (None, "out.png"),
}
_CUTS = (1, 12, 40, 200, 0.3, 0.6, 0.95)  # bytes, or shares of the file
_DAMAGED = 6


def content(kind: str, folder: Path) -> bytes:
    options, _ = KINDS[kind]
    path = folder / f"good.{kind}"
    if options is not None:
        return make_clip(path, frames=8, size=(48, 32), **options).read_bytes()
    images = [Image.fromarray(picture(index, 48, 32)) for index in range(4)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=80)
    return path.read_bytes()


def variants(kind: str, whole: bytes) -> dict[str, bytes]:
    found = {f"cut {cut}": whole[: cut if isinstance(cut, int) else int(cut * len(whole))] for cut in _CUTS}
    generator = random.Random(kind)
    for number in range(_DAMAGED):
        damaged = bytearray(whole)
        limit = len(damaged) if number % 2 else min(len(damaged), 600)
        for _ in range(1 + 5 * number):
            damaged[generator.randrange(limit)] = generator.randrange(256)
        found[f"damaged {number}"] = bytes(damaged)
    riddled = bytearray(whole)
    for place in range(len(riddled) // 3, len(riddled), 29):
        riddled[place] ^= 0x5A
    return {**found, "riddled": bytes(riddled), "twice": whole + whole}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_clips(negative_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    (tmp_path / "good").mkdir()
    for name, damaged in variants(kind, content(kind, tmp_path / "good")).items():
        place = tmp_path / name.replace(" ", "-").replace(".", "_")
        place.mkdir()
        (place / f"in.{kind}").write_bytes(damaged)
        output = place / KINDS[kind][1]
        arguments = ["stylize", place / f"in.{kind}", "--style", negative_model, "-o", output, "--provider", "cpu"]
        code = cli.main([*map(str, arguments)])
        err = capsys.readouterr().err
        left = {path.name for path in place.iterdir()} - {f"in.{kind}"}
        assert code in (0, 2), (name, err)
        if code == 0:
            assert left == {output.name}, name
            continue
        assert err.startswith("fastnst: "), (name, err)
        assert err.count("\n") == 1, (name, err)
        assert left <= {"out.partial.mp4"}, name
        assert not left or len(pictures(place / "out.partial.mp4")) > 0, name


@pytest.mark.parametrize("kind", ["mp4", "ts", "gif"])
def test_damaged_files_at_the_camera(
    negative_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    (tmp_path / "good").mkdir()
    damaged = variants(kind, content(kind, tmp_path / "good"))
    path = tmp_path / f"in.{kind}"
    for name in ("cut 40", "cut 0.3", "damaged 3", "riddled"):
        path.write_bytes(damaged[name])
        arguments = ["camera", "--camera", path, "--style", negative_model, "--headless", "--frames", 3]
        assert cli.main([*map(str, arguments), "--provider", "cpu"]) in (0, 2), name
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("start", ["1e9999999", "1e400", "nan", "-1", "9" * 5000, "1:2:3:4"]),
        ("end", ["0", "1e400", "x"]),
        ("crf", ["-1", "52", "9" * 30, "1.5"]),
        ("batch", ["0", "65", "9" * 30]),
        ("codec", ["h265", "\x1b]0;own\x07"]),
        ("encoder", ["gpu"]),
    ],
)
def test_options_of_clips(
    negative_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, values: list[str]
) -> None:
    clip = make_clip(tmp_path / "in.mp4", frames=3, sound=None)
    for value in values:
        arguments = ["stylize", clip, "--style", negative_model, "-o", tmp_path / "out.mp4", "--provider", "cpu"]
        assert cli.main([*map(str, arguments), f"--{name}={value}"]) == 2, value
        err = capsys.readouterr().err
        assert err.splitlines()[-1].startswith("fastnst: "), value
        assert "\x1b" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
