"""Photos and paintings of trainings in tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory, photo: Image.Image) -> Path:
    """A painting, and photos of all kinds: parts of a real photo, grey, with alpha, broken, tiny."""
    folder = tmp_path_factory.mktemp("materials")
    photo.rotate(180).resize((120, 90)).save(folder / "painting.jpg")
    photos = folder / "photos"
    (photos / "sub").mkdir(parents=True)
    for number in range(6):
        left = 40 * number
        photo.crop((left, left, left + 160, left + 130)).save(photos / "sub" / f"{number}.jpg")
    photo.convert("L").save(photos / "grey.png")
    photo.convert("CMYK").resize((100, 100)).save(photos / "cmyk.jpg")
    transparent = photo.resize((90, 120))
    transparent.putalpha(Image.linear_gradient("L").resize((90, 120)))
    transparent.save(photos / "alpha.png")
    (photos / "broken.jpg").write_text("no picture")
    photo.resize((20, 20)).save(photos / "tiny.jpg")
    return folder
