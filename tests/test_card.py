"""The card of a style: what it says, and what it does not make up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastnst import cli
from fastnst.images.decode import open_image
from fastnst.runtime.models.metadata import StyleMetadata
from tests.conftest import write_model

METADATA = StyleMetadata(
    name="negative",
    title="A Negative",
    artist="Nobody",
    year="1900",
    movement="Photography",
    licence="public domain",
    painting_sha256="ab" * 32,
    network="swift",
    network_options={"width": 64},
    perceptual="slim",
    loss_weights={
        "content_layers": ["relu4_2"],
        "style_layers": ["relu1_1", "relu2_1"],
        "style_weight": 8.0,
        "style_size": 512,
        "style_trim": 0.06,
        "padding": "replicate",
    },
    steps=4000,
    batch_size=4,
    image_size=256,
    training_seconds=4321.0,
    hardware="CPU, Some Processor, 2 threads",
    objective={"total": 1.34391},
)
REPORT: dict[str, Any] = {
    "style": "negative",
    "lbfgs_equivalent": 61.7,
    "iterations": 200,
    "photos": 10,
    "pixels": [[256, 192]],
    "time_ratio": 1960.2,
    "measures": {
        "network": {"grid": 1.5, "border": 0.9, "blobs": 0.01, "ssim": 0.4},
        "photo": {"grid": 1.1, "border": 0.8, "blobs": 0.0, "ssim": 1.0},
    },
}


GROWN = replace(
    METADATA, batch_size=1, started_from="other", loss_weights={"first_judge": {"name": "slim", "share": 0.7}}
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "negative.onnx", properties=METADATA.to_properties())


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = cli.main(["card", *map(str, arguments), "--provider", "cpu"])
    return code, capsys.readouterr().err


def test_a_card_with_everything(capsys, model: Path, photo_file: Path, tmp_path: Path) -> None:
    report, notes = tmp_path / "report.json", tmp_path / "notes.md"
    report.write_text(json.dumps(REPORT))
    notes.write_text("It needed more steps.\n")
    options = ["--report", report, "--notes", notes, "--photo", photo_file, "--painting", photo_file]
    assert run(capsys, model, *options) == (0, "")
    text = (tmp_path / "negative.md").read_text()
    for line in (
        "# negative",
        "Painting: *A Negative*, Nobody, 1900 (Photography; public domain).",
        "![a photo, the painting, and the photo restyled](negative.jpg)",
        "| perceptual network | slim, borders replicated: content relu4_2, style relu1_1, relu2_1 |",
        "| training | 4000 steps of 4 crops of 256 px |",
        "| time and hardware | 72 min on CPU, Some Processor, 2 threads |",
        "| N_eq from the photo | 62 iterations of L-BFGS reach the same objective (10 held-out photos, 256 px) |",
        "| time ratio | 1960 times faster than 200 iterations |",
        "| grid energy | 1.50 (photos 1.10) |",
        "| saturated blobs | 0.01 (photos 0.00) |",
        "| held-out objective | total 1.3439 |",
        "It needed more steps.",
    ):
        assert line in text.splitlines()
    assert "painting at 512 px, 6 % of its sides left off at each border |" in text
    strip = open_image(tmp_path / "negative.jpg")
    assert strip.width > 3 * 320 > strip.height
    assert run(capsys, model)[0] == 2  # nothing is overwritten unasked


def test_where_a_style_comes_from(capsys, tmp_path: Path) -> None:
    model, report = write_model(tmp_path / "grown.onnx", properties=GROWN.to_properties()), tmp_path / "report.json"
    report.write_text(json.dumps(REPORT | {"start": "noise"}))
    assert run(capsys, model, "--report", report) == (0, "")
    text = (tmp_path / "grown.md").read_text()
    line = "4000 steps of one crop of 256 px, the first 70% with slim; grown out of other"
    assert f"| training | {line} |" in text.splitlines()
    assert "| N_eq from noise | 62 iterations of L-BFGS reach" in text


def test_what_mattes_did(capsys, tmp_path: Path) -> None:
    mattes = {"content_inside": 8.0, "content_outside": 1.0, "style_inside": 0.05}
    trained = replace(METADATA, loss_weights=METADATA.loss_weights | {"mattes": mattes})
    model = write_model(tmp_path / "portrait.onnx", properties=trained.to_properties())
    assert run(capsys, model) == (0, "")
    line = "| weights by mattes | content inside of people × 8.0, style inside of people × 0.05 |"
    assert line in (tmp_path / "portrait.md").read_text().splitlines()
    assert "mattes" not in run_card(capsys, METADATA, tmp_path)


def run_card(capsys: pytest.CaptureFixture[str], metadata: StyleMetadata, folder: Path) -> str:
    model = write_model(folder / "plain.onnx", properties=metadata.to_properties())
    assert run(capsys, model) == (0, "")
    return model.with_suffix(".md").read_text()


def test_a_file_that_does_not_know_its_training_is_described_without(capsys, negative_model: Path, tmp_path: Path):
    output = tmp_path / "card.md"
    assert run(capsys, negative_model, "-o", output)[0] == 0
    text = output.read_text()
    assert "Painting: *A Negative*, Nobody." in text
    for unknown in ("hardware", "N_eq", "held-out", "jpg)"):
        assert unknown not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--report", "{tmp}/none.json"], "none.json cannot be opened"),
        (["--report", "{tmp}/text.json"], "is not JSON"),
        (["--report", "{tmp}/other.json"], "is about the style 'other', not 'negative'"),
        (["--report", "{tmp}/empty.json"], "is not a comparison of a style"),
        (["--photo", "{tmp}/photo.jpg"], "needs both --photo and --painting"),
        (["--notes", "{tmp}/none.md"], "none.md cannot be opened"),
        (["-o", "{tmp}/negative.onnx"], "no Markdown file"),
        (["--notes", "{tmp}/negative.md", "--overwrite"], "is an input of this card"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    capsys, model: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "text.json").write_text("no JSON")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "other.json").write_text(json.dumps({**REPORT, "style": "other"}))
    before = sorted(tmp_path.iterdir())
    code, err = run(capsys, model, *(option.format(tmp=tmp_path) for option in options))
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before
