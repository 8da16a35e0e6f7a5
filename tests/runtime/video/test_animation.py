"""Animated pictures in and out: transparency, times and loop count stay."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ClipError, OutputError
from fastnst.runtime.video.animation import AnimationSource
from fastnst.runtime.video.animation_files import is_whole
from fastnst.runtime.video.animation_writer import AnimationSink
from fastnst.runtime.video.types import ClipInfo, Frame
from tests.runtime.clips import make_clip, pictures, probe, stylize

SIZE = (64, 48)
DURATIONS = (80, 120, 80, 500)


def sticker(index: int, hidden: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    """An orange disc that moves over transparency; `hidden` are the colours under it."""
    layers = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    layers[..., :3] = hidden
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    layers[(y - 24) ** 2 + (x - 20 - 6 * index) ** 2 < 144] = (250, 170, 40, 255)
    return Image.fromarray(layers)


def write(path: Path, *, loop: int | None = 0, hidden: tuple[int, int, int] = (0, 0, 0), frames: int = 4) -> Path:
    images = [sticker(index, hidden) for index in range(frames)]
    options = {} if loop is None else {"loop": loop}
    lossless = {"lossless": True, "exact": True} if path.suffix == ".webp" else {}
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=list(DURATIONS[:frames]),
        disposal=2,
        **options,
        **lossless,
    )
    return path


def seen(path: Path) -> tuple[list[float], list[Image.Image], int | None]:
    """Durations in milliseconds, frames with alpha, the loop entry."""
    durations, images = [], []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(float(image.info["duration"]))
            images.append(image.convert("RGBA"))
        return durations, images, image.info.get("loop")


@pytest.mark.parametrize("output", ["out.gif", "out.webp", "out.png", "out.apng"])
@pytest.mark.parametrize("source", ["in.gif", "in.webp", "in.png"])
def test_alpha_times_and_loops_stay(negative_model: Path, tmp_path: Path, source: str, output: str) -> None:
    assert stylize(negative_model, write(tmp_path / source), tmp_path / output) == 0
    durations, images, loop = seen(tmp_path / output)
    assert durations == pytest.approx(DURATIONS)
    assert loop == 0
    for index, image in enumerate(images):
        pixels = np.asarray(image, int)
        assert (pixels[..., 3] == np.asarray(sticker(index))[..., 3]).all()
        assert np.abs(pixels[24, 20 + 6 * index, :3] - (5, 85, 215)).max() < 12
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, output])


@pytest.mark.parametrize(
    ("kind", "loop", "expected"), [("gif", None, None), ("gif", 3, 3), ("webp", 3, 3), ("webp", 1, 1), ("png", 2, 2)]
)
def test_the_number_of_loops(
    negative_model: Path, tmp_path: Path, kind: str, loop: int | None, expected: int | None
) -> None:
    assert stylize(negative_model, write(tmp_path / f"in.{kind}", loop=loop), tmp_path / f"out.{kind}") == 0
    assert seen(tmp_path / f"out.{kind}")[2] == expected


def test_a_gif_that_plays_once_does_so_elsewhere(negative_model: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.gif", loop=None)
    assert stylize(negative_model, source, tmp_path / "out.webp") == 0
    assert seen(tmp_path / "out.webp")[2] == 1


def test_what_is_hidden_decides_nothing(negative_model: Path, tmp_path: Path) -> None:
    results = []
    for name, hidden in (("a", (0, 0, 0)), ("b", (255, 0, 255))):
        source = write(tmp_path / f"{name}.webp", hidden=hidden)
        results.append([frame.rgb for frame in AnimationSource(source).frames()])
    for one, other in zip(*results, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
        assert np.abs(one[24, 2].astype(int) - (250, 170, 40)).max() < 12  # bled, far outside, too


def test_a_video_has_white_where_it_was_transparent(negative_model: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.gif")
    assert stylize(negative_model, source, tmp_path / "out.mp4", "--crf", 5) == 0
    frames = pictures(tmp_path / "out.mp4")
    assert np.abs(frames[:, 4, 60] - 255).max() < 5
    times = probe(tmp_path / "out.mp4").times["video"]
    assert [float(time) for time in times] == pytest.approx([0, 0.08, 0.2, 0.28])
    import av

    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration == pytest.approx(780_000, abs=2000)  # the last picture's half second


def test_a_folder_gets_a_file_named_as_photos_are(negative_model: Path, tmp_path: Path) -> None:
    assert stylize(negative_model, write(tmp_path / "in.webp"), tmp_path / "made") == 0
    (made,) = (tmp_path / "made").iterdir()
    assert made.name == "in_negative.webp"
    assert len(seen(made)[0]) == 4


def test_a_still_picture_is_not_a_clip(negative_model: Path, tmp_path: Path, capsys) -> None:
    sticker(0).save(tmp_path / "still.webp")
    assert stylize(negative_model, tmp_path / "still.webp", tmp_path / "out.mp4") == 2
    assert "is a photo: it does not make a clip" in capsys.readouterr().err


def test_a_video_becomes_an_animation(negative_model: Path, tmp_path: Path, capsys) -> None:
    clip = make_clip(tmp_path / "in.mp4", frames=5, rate=Fraction(10), sound=None)
    assert stylize(negative_model, clip, tmp_path / "out.webp") == 0
    assert seen(tmp_path / "out.webp")[0] == [100.0] * 5
    assert stylize(negative_model, clip, tmp_path / "out.png") == 2
    assert "is a picture: name a clip" in capsys.readouterr().err


def test_a_cut_out_keeps_its_transparency(negative_model: Path, tmp_path: Path, monkeypatch) -> None:
    from tests.matting_models import disc, scene, write_ours

    clip = make_clip(tmp_path / "in.mp4", size=(128, 96), draw=lambda _, w, h: scene(disc(h, w)), frames=3, sound=None)
    model = write_ours(tmp_path / "m.onnx", reference_size=96, white=240)
    arguments = ["matte", clip, "-o", tmp_path / "out.webp", "--write", "cutout", "--matting-model", model]
    assert cli.main([*map(str, arguments), "--provider", "cpu"]) == 0
    _, images, _ = seen(tmp_path / "out.webp")
    assert images[0].getpixel((3, 3))[3] == 0  # type: ignore[index]
    assert images[0].getpixel((64, 48))[3] > 240  # type: ignore[index]


def test_the_picture_for_programs_without_apng_is_not_a_frame(negative_model: Path, tmp_path: Path) -> None:
    first, *others = frames = [sticker(index) for index in range(3)]
    first.save(tmp_path / "right.png", save_all=True, append_images=others, duration=80)
    banner = Image.new("RGBA", SIZE, (250, 10, 10, 255))
    banner.save(tmp_path / "in.png", save_all=True, append_images=frames, default_image=True, duration=80)
    for name in ("in", "right"):
        assert stylize(negative_model, tmp_path / f"{name}.png", tmp_path / f"{name}_out.png") == 0
    durations, shown, _ = seen(tmp_path / "in_out.png")
    assert durations == [80.0] * 3
    for found, right in zip(shown, seen(tmp_path / "right_out.png")[1], strict=True):
        assert np.array_equal(found, right)


def test_a_cut_file_gives_what_is_whole(tmp_path: Path) -> None:
    content = write(tmp_path / "in.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(content[: 2 * len(content) // 3])
    source = AnimationSource(tmp_path / "cut.gif")
    frames = list(source.frames())
    assert 1 <= len(frames) < 4 or source.warnings
    (tmp_path / "nothing.gif").write_bytes(content[:20])
    with pytest.raises(ClipError, match="damaged or cut short"):
        AnimationSource(tmp_path / "nothing.gif")


def test_opaque_rectangles_leave_the_rest_transparent(tmp_path: Path) -> None:
    sink = AnimationSink(tmp_path / "out.webp", ClipInfo(*SIZE, Fraction(1, 10)))
    for number in range(3):
        alpha = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        alpha[10:30, 5 + 8 * number : 25 + 8 * number] = 255
        sink.add(Frame(number, 1, np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), alpha=alpha))
    sink.close()
    for number, image in enumerate(seen(tmp_path / "out.webp")[1]):
        assert image.getpixel((2, 2))[3] == 0  # type: ignore[index]
        assert image.getpixel((15 + 8 * number, 20))[3] == 255  # type: ignore[index]


def test_a_size_that_a_format_cannot_hold_is_reported_first(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="WEBP holds at most 16,383 pixels a side, not 20000×16"):
        AnimationSink(tmp_path / "out.webp", ClipInfo(20000, 16, Fraction(1, 25)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_a_missing_end_is_seen(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    sink = AnimationSink(path, ClipInfo(32, 32, Fraction(1, 25), Fraction(25)))
    for number in range(3):
        sink.add(Frame(number, 1, np.full((32, 32, 3), 60 * number, np.uint8)))
    sink.close()
    assert is_whole(path)
    path.write_bytes(path.read_bytes()[:-3])
    assert not is_whole(path)
