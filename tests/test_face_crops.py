"""What a style learns from to keep faces: `scripts/face_crops.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.images.decode import open_image
from fastnst.sample import sample_photo, sample_photos
from scripts.face_crops import main


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """A standing figure of 60×240 pixels, and a picture of nobody."""
    for part in ("image", "matte"):
        (tmp_path / "portraits" / part).mkdir(parents=True)
    matte = np.zeros((320, 320), np.uint8)
    matte[60:300, 130:190] = 255
    for name, levels in (("figure", matte), ("nobody", np.zeros_like(matte))):
        open_image(sample_photo()).resize((320, 320)).save(tmp_path / "portraits" / "image" / f"{name}.jpg")
        Image.fromarray(levels).save(tmp_path / "portraits" / "matte" / f"{name}.png")
    return tmp_path / "portraits"


def test_heads_and_photos_without_people(portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    open_image(sample_photo()).save(photos / "hopper.jpg")
    bricks = sample_photos() / "brick.jpg"
    (photos / bricks.name).write_bytes(bricks.read_bytes())
    (photos / "broken.jpg").write_bytes(b"no picture")
    (portraits / "image" / "broken.jpg").write_bytes(b"no picture")
    (portraits / "matte" / "broken.png").write_bytes((portraits / "matte" / "figure.png").read_bytes())
    out = tmp_path / "out"
    assert main([str(portraits), str(photos), str(out)]) == 0
    told = capsys.readouterr()
    assert "heads of portraits: 1; photos without people: 1" in told.out
    assert "left out: " in told.err
    names = sorted(path.stem for path in (out / "image").iterdir())
    assert names == sorted(path.stem for path in (out / "matte").iterdir())
    head, empty = (np.asarray(Image.open(out / "matte" / f"{name}.png")) for name in (names[1], names[0]))
    assert head.max() == 255
    # Of 240 pixels the upper 0.33 × 120 are the head: a sixth.
    rows = np.flatnonzero((head > 127).any(axis=1))
    columns = np.flatnonzero((head > 127).any(axis=0))
    assert len(rows) / len(columns) == pytest.approx(40 / 60, abs=0.05)
    assert empty.max() == 0
    assert main([str(portraits), str(photos), str(out)]) == 2
    assert "exists: name a folder that does not" in capsys.readouterr().err
    of_both = [str(portraits), str(photos)]
    for wrong in ([str(photos)] * 2, [str(portraits), str(tmp_path / "none")], [*of_both, "--limit", "-3"]):
        assert main([*wrong[:2], str(tmp_path / "other"), *wrong[2:]]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "other").exists()
