"""Batches of photos, by `fastnst stylize` and by `fastnst matte`, which share one loop."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.commands.options.photos import PhotoOptions
from fastnst.commands.photo_batch import Job, plan_batch, run_batch
from fastnst.commands.result_names import ResultNames, fitted
from fastnst.errors import ImageError, OutputError
from fastnst.output_files import FullDiskError
from tests.commands.batches import Run, names, save
from tests.conftest import gradient


@pytest.mark.parametrize("command", ["stylize", "matte"])
def test_one_bad_file_never_ends_a_batch(
    place: Path, command: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Run = request.getfixturevalue(command)
    save(place / "in/a.png")
    save(place / "in/z.png")
    (place / "in/broken.jpg").write_bytes(b"no picture")
    (place / "in/empty.jpg").touch()
    (place / "in/link.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(place / "in/pipe.jpg")
    assert run("in", "-o", "out") == 1
    assert [name[0] for name in names(place / "out")] == ["a", "z"]
    captured = capsys.readouterr()
    assert "2 pictures, 4 failed" in captured.out
    for name in ("broken.jpg", "empty.jpg", "link.jpg", "pipe.jpg"):
        assert sum(name in line for line in captured.err.splitlines()) == 1


def test_three_more_photos_in_the_same_folder(place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]) -> None:
    save(place / "in/a.png")
    assert stylize("in", "-o", "out") == 0
    kept = (place / "out/a_negative.png").stat().st_mtime_ns
    save(place / "in/b.png")
    assert stylize("in", "-o", "out") == 2
    assert "(1 of 2 do): pass --overwrite to replace such pictures, or --skip-existing" in capsys.readouterr().err
    assert stylize("in", "-o", "out", "--skip-existing") == 0
    assert "1 picture, 1 existed already" in capsys.readouterr().out
    assert names(place / "out") == ["a_negative.png", "b_negative.png"]
    assert (place / "out/a_negative.png").stat().st_mtime_ns == kept
    assert stylize("in", "-o", "out", "--skip-existing") == 0
    assert "0 pictures, 2 existed already" in capsys.readouterr().out
    assert stylize("in", "-o", "out", "--skip-existing", "--overwrite") == 2


def test_a_bad_photo_beside_those_that_exist_is_counted(
    place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    save(place / "in/a.png")
    (place / "in/bad.png").write_bytes(b"")
    for made in ("1 picture, 1 failed", "0 pictures, 1 failed, 1 existed already"):
        assert stylize("in", "-o", "out", "--skip-existing") == 1
        captured = capsys.readouterr()
        assert made in captured.out
        assert "bad.png is empty" in captured.err


def test_results_are_not_restyled_again(place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """An output folder inside the input, and results beside their photos."""
    save(place / "in/a.png")
    save(place / "in/of_negative.png")  # a photo of that name, and no result
    for output in ("in", "in/out"):
        assert stylize("in", "-o", output) == 0
        assert stylize("in", "-o", output, "--overwrite") == 0
    assert "2 results of earlier runs left out" in capsys.readouterr().err
    made = ["a_negative.png", "of_negative_negative.png"]
    assert names(place / "in/out") == made
    beside = [name for name in names(place / "in") if "/" not in name]
    assert beside == ["a.png", "a_negative.png", "of_negative.png", "of_negative_negative.png"]


def test_names_of_250_bytes_fit(place: Path, stylize: Run) -> None:
    for stem in ("n" * 250, "ü" * 125, "é" * 120 + "x"):
        save(place / f"in/{stem}.png")
    assert stylize("in", "-o", "out") == 0
    made = names(place / "out")
    assert len(made) == 3
    assert all(len(os.fsencode(name)) <= 255 and name.endswith("_negative.png") for name in made)


def test_names_are_the_same_on_every_run_and_none_comes_twice() -> None:
    folder = Path("out")
    photos = [Path(name) for name in ("a.jpg", "a.png", "b/a.jpg", "b/a.png", "a_jpg.png")]
    first, again = (
        [namer.name(folder, photo, "s", ".png").name for photo in photos] for namer in (ResultNames(), ResultNames())
    )
    assert first == again == ["a_s.png", "a_png_s.png", "a_jpg_s.png", "a_s_2.png", "a_jpg_png_s.png"]
    assert fitted("x" * 300, "s", ".png") != fitted("x" * 301, "s", ".png")


def test_ten_thousand_inputs_are_planned_at_once(place: Path) -> None:
    """Numbering was quadratic: the same photo ten thousand times never began."""
    save(place / "a.png")
    started = time.process_time()
    plan = plan_batch(PhotoOptions((place / "a.png",) * 10_000, place / "out"), [("s", "s")])
    assert len({job.output for job in plan.jobs}) == 10_000
    assert time.process_time() - started < 5


def test_a_full_disk_ends_a_batch_and_tells_what_is_done() -> None:
    def make(job: Job[str]) -> list[str]:
        if job.photo.name == "2":
            raise FullDiskError("out/2 cannot be written (No space left on device).")
        return []

    jobs = [Job(Path(str(number)), "s", Path("out", str(number))) for number in range(4)]
    with pytest.raises(FullDiskError, match=r"No space left on device\)\. 2 of 4 pictures were finished"):
        run_batch(jobs, make, "restyling")


def test_a_fault_of_ours_costs_one_picture(caplog: pytest.LogCaptureFixture) -> None:
    def make(job: Job[str]) -> list[str]:
        if job.photo.name == "1":
            raise ZeroDivisionError("division by zero")
        return ["16 bits"]

    jobs = [Job(Path(str(number)), "s", Path("out", str(number))) for number in range(3)]
    outcome = run_batch(jobs, make, "restyling")
    assert [message for _, message in outcome.failures] == ["1: unexpected ZeroDivisionError (division by zero)."]
    assert outcome.remarks == {"16 bits": 2}
    with pytest.raises(ImageError, match="none of the 2 pictures"):
        run_batch([jobs[1], jobs[1]], make, "restyling")


def test_no_result_takes_the_place_of_another_photo(place: Path) -> None:
    photos = (save(place / "a.png"), save(place / "a_s.png"))
    with pytest.raises(OutputError, match="is one of the photos"):
        plan_batch(PhotoOptions(photos, place, overwrite=True), [("s", "s")])


def test_too_wide_for_webp_is_said_before_anything_is_computed(
    place: Path, stylize: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastnst.runtime.stylizer import Stylizer

    monkeypatch.setattr(Stylizer, "restyle", lambda *_: pytest.fail("was computed"))
    Image.new("RGB", (16_400, 16)).save(place / "wide.png")
    assert stylize("wide.png", "-o", "out.webp") == 2
    assert "WEBP holds at most 16,383 pixels a side, not 16400×16" in capsys.readouterr().err


def test_a_sheet_replaces_no_photo_and_no_result(place: Path, stylize: Run, capsys: pytest.CaptureFixture[str]) -> None:
    content = save(place / "in.jpg").read_bytes()
    assert stylize("in.jpg", "-o", "out.jpg", "--sheet", "in.jpg", "--overwrite") == 2
    assert "in.jpg is an input of this command" in capsys.readouterr().err
    assert stylize("in.jpg", "-o", "out.jpg", "--sheet", "./out.jpg") == 2
    assert (place / "in.jpg").read_bytes() == content
    assert not (place / "out.jpg").exists()


def test_what_transparency_hides_does_not_matter(place: Path, stylize: Run) -> None:
    y, x = np.mgrid[0:96, 0:128]
    veil = Image.fromarray((np.hypot(y - 48, x - 64) < 30).astype(np.uint8) * 255)
    shown = np.asarray(Image.fromarray(gradient(96, 128)))
    for name, hidden in (("black", 0), ("white", 255)):
        pixels = np.where(np.asarray(veil)[..., None] > 0, shown, hidden).astype(np.uint8)
        image = Image.fromarray(pixels)
        image.putalpha(veil)
        image.save(place / f"{name}.png")
    assert stylize("black.png", "white.png", "-o", "out") == 0
    black, white = (Image.open(place / f"out/{name}_negative.png") for name in ("black", "white"))
    assert np.array_equal(np.asarray(black), np.asarray(white))


def test_two_mattes_of_one_name_are_two(place: Path, matte: Run) -> None:
    for name in ("one/a.png", "two/a.png", "one/a.jpg"):
        save(place / name)
    assert matte("one/a.png", "two/a.png", "one/a.jpg", "-o", "out") == 0
    assert len(names(place / "out")) == 3
    assert matte("one", "-o", "out", "--skip-existing") == 0


def test_a_disk_that_is_full_while_writing(
    place: Path, stylize: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(place / f"in/{name}.png")
    write = Path.write_bytes

    def filling(path: Path, content: bytes) -> int:
        if path.name.startswith(".b"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", filling)
    assert stylize("in", "-o", "out") == 2
    assert "(No space left on device). 1 of 3 pictures were finished." in capsys.readouterr().err
    assert names(place / "out") == ["a_negative.png"]
