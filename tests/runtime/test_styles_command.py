"""`fastnst styles`: the list, its filters, the sheet, and bad input in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.images.decode import open_image
from tests.style_models import write_gallery


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_gallery(tmp_path / "gallery")
    monkeypatch.setattr("fastnst.runtime.models.catalog.style_folders", lambda: [folder])
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["styles", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def names(listing: str) -> list[str]:
    return [line.split()[0] for line in listing.splitlines()[1:]]


def test_the_list_tells_painting_artist_year_and_movement(capsys, gallery: Path) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    assert out.splitlines() == [
        "STYLE    PAINTING             ARTIST              YEAR  MOVEMENT",
        "apples   Still Life           Paul Cézanne        -     Post-Impressionism",
        "lilies   Water Lilies         Claude Monet        1919  Impressionism",
        "sunrise  Impression, Sunrise  Claude Monet        1872  Impressionism",
        "wave     The Great Wave       Katsushika Hokusai  -     Ukiyo-e",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--movement", "Impressionism"], ["lilies", "sunrise"]),
        (["--movement", "post"], ["apples"]),
        (["--artist", "CEZANNE"], ["apples"]),
        (["--artist", "monet", "--movement", "impressionism"], ["lilies", "sunrise"]),
        (["--artist", "hokusai"], ["wave"]),
    ],
)
def test_filters(capsys, gallery: Path, arguments: list[str], expected: list[str]) -> None:
    code, out, _ = run(capsys, *arguments)
    assert (code, names(out)) == (0, expected)


def test_the_list_opens_no_model(capsys, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr("fastnst.runtime.models.style_model.open_engine", fail)
    assert run(capsys)[0] == 0


def test_a_file_that_is_no_style_is_reported_and_left_out(capsys, caplog, gallery: Path) -> None:
    (gallery / "broken.onnx").write_text("no model")
    code, out, _ = run(capsys)
    assert code == 0
    assert names(out) == ["apples", "lilies", "sunrise", "wave"]
    assert "broken.onnx is not an ONNX model" in caplog.text


def test_the_sheet_shows_every_style(capsys, gallery: Path, photo: Image.Image, tmp_path: Path) -> None:
    photo.crop((0, 0, 480, 480)).save(tmp_path / "photo.png")
    sheet = tmp_path / "new" / "sheet.png"
    arguments = ["--artist", "monet", "--sheet", sheet, "--photo", tmp_path / "photo.png", "--provider", "cpu"]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert f"{sheet}: all of them on one photo" in out
    pixels = np.asarray(open_image(sheet))
    pictures = [pixels[20:500, 20:500], pixels[20:500, 520:1000]]  # the photo and lilies, which is its negative
    assert np.array_equal(pictures[0], np.asarray(photo.crop((0, 0, 480, 480))))
    assert np.array_equal(pictures[1], 255 - pictures[0])
    before = sheet.read_bytes()
    assert "pass --overwrite" in run(capsys, *arguments)[2]
    assert sheet.read_bytes() == before


def test_the_sample_photo_comes_with_the_package(capsys, gallery: Path, tmp_path: Path) -> None:
    assert run(capsys, "--movement", "ukiyo", "--sheet", tmp_path / "sheet.png", "--provider", "cpu")[0] == 0
    assert open_image(tmp_path / "sheet.png").size == (1020, 560)


def test_descriptions_as_json(capsys, gallery: Path, tmp_path: Path) -> None:
    assert run(capsys, "--artist", "Cézanne", "--json", tmp_path / "styles.json")[0] == 0
    (found,) = json.loads((tmp_path / "styles.json").read_text(encoding="utf-8"))
    assert (found["style"], found["title"], found["artist"]) == ("apples", "Still Life", "Paul Cézanne")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--movement", "Impresionism"], "no style has the movement 'Impresionism'. Did you mean 'Impressionism'?"),
        (["--artist", "picaso"], "There is: Claude Monet, Katsushika Hokusai, Paul Cézanne."),
        (["--artist", "monnet"], "Did you mean 'Claude Monet'?"),
        (
            ["--artist", "monet", "--movement", "ukiyo"],
            "of the movement 'ukiyo' has the artist 'monet'.",
        ),
        (["--photo", "x.jpg"], "--photo x.jpg is for a sheet"),
        (["--sheet", "x.pdf"], "x.pdf has no picture suffix"),
        (["--sheet", "{tmp}/x.png", "--photo", "{tmp}/missing.jpg"], "missing.jpg cannot be opened"),
        (["--sheet", "{tmp}/x.png", "--provider", "cuad"], "unknown provider 'cuad'"),
        (["--wrong"], "unrecognized arguments: --wrong"),
    ],
)
def test_bad_input_is_one_sentence(capsys, gallery: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    code, _, err = run(capsys, *(argument.format(tmp=tmp_path) for argument in arguments))
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_no_style_at_all(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnst.runtime.models.catalog.style_folders", lambda: [tmp_path])
    code, _, err = run(capsys)
    assert (code, "no style is installed" in err) == (2, True)
