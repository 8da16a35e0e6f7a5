"""The command line as a user meets it: exit codes, one sentence, nothing lost."""

from __future__ import annotations

import errno
import gc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.images.decode import open_image


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["stylize", "--help"]):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        assert "usage" in out
    assert run(capsys, "--version")[1].startswith("fastnst ")


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "stylise")
    assert code == 2
    assert "Did you mean 'stylize'" in err


def test_one_photo_to_one_file(capsys, negative_model: Path, photo_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "out.png"
    code, out, _ = run(capsys, "stylize", photo_file, "--style", negative_model, "-o", output, "--provider", "cpu")
    assert code == 0
    assert f"{output}: 1 picture" in out
    assert "(cpu, f32)" in out
    with Image.open(photo_file) as photo:
        assert np.array_equal(np.asarray(open_image(output)), 255 - np.asarray(photo))


def test_a_folder_is_mirrored_and_a_bad_file_does_not_stop_it(
    capsys, negative_model: Path, photo_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/a.jpg", "sub/b.jpg", "a.jpeg"):
        (folder / name).write_bytes(photo_file.read_bytes())
    (folder / "broken.jpg").write_text("no picture")
    sheet = tmp_path / "sheet.jpg"
    arguments = ["stylize", folder, "--style", negative_model, "-o", tmp_path / "out", "--sheet", sheet]
    code, out, err = run(capsys, *arguments)
    assert code == 1
    assert "4 pictures, 1 failed" in out
    assert "broken.jpg is not a picture" in err
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jp*g"))
    assert made == ["a_negative.jpeg", "a_negative.jpg", "sub/a_negative.jpg", "sub/b_negative.jpg"]
    assert open_image(sheet).width > 600


def test_photos_whose_names_collide_are_all_made(
    capsys, negative_model: Path, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "a.png"):
        open_image(photo_file).save(tmp_path / "in" / name)
    arguments = ["stylize", tmp_path / "in", "--style", negative_model, "-o", tmp_path / "out", "--format", "png"]
    assert run(capsys, *arguments)[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_negative.png", "a_png_negative.png"]


BAD = {
    "missing photo": (["{tmp}/missing.jpg"], "cannot be opened"),
    "text as jpg": (["{tmp}/text.jpg"], "is not a picture"),
    "empty photo": (["{tmp}/empty.jpg"], "is empty (0 bytes)"),
    "1x1": (["{tmp}/tiny1.png"], "too small: 16×16 is the least"),
    "8x8": (["{tmp}/tiny8.png"], "too small: 16×16 is the least"),
    "bomb": (["{tmp}/bomb.png"], "--allow-huge"),
    "empty folder": (["{tmp}/nothing"], "no photos found in"),
    "unknown style": (["{photo}", "--style", "stary_night"], "unknown style 'stary_night'"),
    "truncated model": (["{photo}", "--style", "{tmp}/cut.onnx"], "not an ONNX model"),
    "strength": (["{photo}", "--strength", "2"], "between 0 and 1"),
    "max size": (["{photo}", "--max-size", "-5"], "at least 16 pixels"),
    "quality": (["{photo}", "--quality", "0"], "between 1 and 100"),
    "format": (["{photo}", "--format", "xyz"], "unknown format 'xyz'"),
    "provider": (["{photo}", "--provider", "cdua"], "Did you mean 'cuda'"),
    "unknown suffix": (["{photo}", "-o", "{tmp}/out.pdf"], "has no picture suffix that can be written"),
    "several to one file": (["{photo}", "{photo}"], "2 pictures cannot go to one file"),
    "no permission": (["{photo}", "-o", "{tmp}/text.jpg/out.png"], "cannot be written"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(
    capsys, negative_model: Path, photo_file: Path, tmp_path: Path, case: str
) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.onnx").write_bytes(negative_model.read_bytes()[:50])
    for side in (1, 8):
        Image.new("RGB", (side, side)).save(tmp_path / f"tiny{side}.png")
    if case == "bomb":
        Image.new("1", (30000, 30000)).save(tmp_path / "bomb.png")
    arguments, message = BAD[case]
    given = [argument.format(tmp=tmp_path, photo=photo_file) for argument in arguments]
    if "--style" not in given:
        given += ["--style", str(negative_model)]
    if "-o" not in given:
        given += ["-o", str(tmp_path / "out.png")]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, _, err = run(capsys, "stylize", *given)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_is_overwritten_and_nothing_started(
    capsys, negative_model: Path, photo_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    output.write_bytes(b"precious")
    arguments = ["stylize", photo_file, "--style", negative_model, "-o", output]
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "exists already: pass --overwrite" in err
    assert output.read_bytes() == b"precious"
    assert run(capsys, *arguments, "--overwrite")[0] == 0
    assert open_image(output).size == (131, 153)


def test_a_full_disk_keeps_what_is_finished(
    capsys, monkeypatch, negative_model: Path, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(photo_file.read_bytes())
    original, written = Path.write_bytes, []

    def fills_up(path: Path, content: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", fills_up)
    code, _, err = run(capsys, "stylize", tmp_path / "in", "--style", negative_model, "-o", tmp_path / "out")
    assert code == 2
    assert "No space left on device" in err
    assert "1 of 2 pictures were finished" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_negative.jpg"]


def test_styles_lists_what_is_installed(capsys, monkeypatch, negative_model: Path) -> None:
    monkeypatch.setenv("FASTNST_STYLES", str(negative_model.parent))
    code, out, _ = run(capsys, "styles")
    assert code == 0
    assert "A Negative" in out
    assert "Nobody" in out


def test_a_missing_training_package_names_the_extra(capsys, monkeypatch, tmp_path: Path) -> None:
    import sys

    for module in [name for name in sys.modules if name.startswith("fastnst.style_export")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = run(capsys, "export", tmp_path / "x.ckpt", "-o", tmp_path / "x.onnx")
    assert code == 2
    assert 'pip install "fastnst[train]"' in err


def test_what_an_import_makes_is_not_searched_for_garbage(monkeypatch, tmp_path: Path) -> None:
    """The first collection after the imports of torch and Lightning took half a second in the middle of a command."""
    (tmp_path / "many_objects.py").write_text(
        "import gc\n"
        "kept = [[number] for number in range(200_000)]\n"
        "def main(argv, prog):\n"
        "    return gc.get_count()[0] // 1000\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert cli.run("many_objects", [], "fastnst") == 0
    finally:
        gc.unfreeze()
