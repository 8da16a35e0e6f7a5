"""Pages and animations among photos: `fastnst stylize` and `fastnst matte` keep all that they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands.batches import Run, names, save


def test_pages_are_restyled_each_or_named(place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [Image.new("RGB", (64, 48), colour) for colour in ("red", "lime", "blue")]
    pages[0].save(place / "scan.tif", save_all=True, append_images=pages[1:])
    assert stylize("scan.tif", "-o", "out.tif") == 0
    with Image.open(place / "out.tif") as made:
        assert made.n_frames == 3
        made.seek(2)
        assert made.convert("RGB").getpixel((9, 9)) == (255, 255, 0)
    assert "left out" not in capsys.readouterr().out
    assert stylize("scan.tif", "-o", "out.png") == 0
    assert "2 further pages left out: only .tiff results have pages" in capsys.readouterr().out


def test_a_page_that_cannot_be_restyled_does_not_cost_the_others(
    place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [Image.new("RGB", size, "red") for size in ((64, 48), (8, 8), (32, 48))]
    pages[0].save(place / "scan.tif", save_all=True, append_images=pages[1:])
    assert stylize("scan.tif", "-o", "out.tif") == 0
    with Image.open(place / "out.tif") as made:
        assert made.n_frames == 2
        made.seek(1)
        assert made.size == (32, 48)
    assert "page 2 left out: scan.tif: a picture of 8×8 pixels is too small" in capsys.readouterr().out


def moving(path: Path, colours: str = "red lime blue", **options: object) -> Path:
    frames = [Image.new("RGB", (64, 48), colour) for colour in colours.split()]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=70, **options)  # type: ignore[arg-type]
    return path


def colours_of(path: Path) -> list[tuple[int, ...]]:
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pixel = image.convert("RGB").getpixel((9, 9))
            assert isinstance(pixel, tuple)
            found.append(tuple(round(level / 255) for level in pixel))
        return found


CYAN, PINK, YELLOW = (0, 1, 1), (1, 0, 1), (1, 1, 0)


def test_deep_photos_and_first_frames_are_remarked(
    place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((48, 64), 30_000, np.uint16)).save(place / "a.png")
    moving(place / "b.gif")
    assert stylize("a.png", "b.gif", "-o", "out", "--format", "jpg") == 0
    out = capsys.readouterr().out
    assert "1 photo: 16 bits a channel, written with 8 bits" in out
    assert "1 photo: an animation, of which the first frame was taken" in out


def test_animations_among_photos_keep_all_their_frames(place: Path, stylize: Run) -> None:
    save(place / "in/still.png")
    save(place / "in/one.gif")
    for name in ("a.gif", "b.webp", "c.png", "d.apng"):
        moving(place / "in" / name, **({"lossless": True} if name == "b.webp" else {}))
    damaged = moving(place / "in/e.webp").read_bytes()
    (place / "in/f.gif").write_bytes(damaged[:100])
    assert stylize("in", "in/a.gif", "-o", "out") == 1
    made = ["a_negative.gif", "b_negative.webp", "c_negative.png", "d_negative.apng", "e_negative.webp"]
    assert names(place / "out") == sorted([*made, "a_gif_negative.gif", "one_negative.png", "still_negative.png"])
    for name in [*made, "a_gif_negative.gif"]:
        assert colours_of(place / "out" / name) == [CYAN, PINK, YELLOW]
    with Image.open(place / "out/a_negative.gif") as image:
        assert image.info["duration"] == 70
    assert stylize("in/a.gif", "in/b.webp", "-o", "calm", "--smooth") == 0
    assert len(colours_of(place / "calm/b_negative.webp")) == 3
    assert stylize("in/a.gif", "in/b.webp", "-o", "calm2", "--smooth", "--format", "jpg") == 2
    assert stylize("in/a.gif", "in/still.png", "-o", "calm2", "--smooth") == 2
    assert not (place / "calm2").exists()


def test_an_animation_that_fails_leaves_nothing(
    place: Path, stylize: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastnst.runtime.video import stages

    save(place / "still.png")
    moving(place / "a.gif")
    with monkeypatch.context() as patch:
        patch.setattr(stages.FrameStylist, "restyle", lambda *_: 1 // 0)
        assert stylize("a.gif", "still.png", "-o", "out") == 1
    assert names(place / "out") == ["still_negative.png"]
    moving(place / "out/a_negative.partial.gif", "red lime")
    assert stylize("a.gif", "still.png", "-o", "out", "--skip-existing") == 1
    assert "a_negative.partial.gif is in the way" in capsys.readouterr().err
    assert names(place / "out") == ["a_negative.partial.gif", "still_negative.png"]


def test_mattes_of_animations_move(place: Path, matte: Run) -> None:
    save(place / "still.png")
    moving(place / "a.webp", "red black red", lossless=True)
    assert matte("a.webp", "still.png", "-o", "out") == 0
    assert names(place / "out") == ["a_alpha.webp", "still_alpha.png"]
    assert len(colours_of(place / "out/a_alpha.webp")) == 3
