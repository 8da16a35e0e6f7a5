"""Inputs of the reference commands: small pictures, weights and a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def inputs(tmp_path: Path, photo: Image.Image) -> Path:
    from safetensors.torch import save_file  # here: a session without torch loads this file, too

    from fastnst.reference import config as settings
    from tests.test_perceptual import random_state

    settings._opened.cache_clear()
    save_file(random_state("alexnet"), tmp_path / "alexnet.safetensors")
    photo.resize((100, 120)).save(tmp_path / "photo.jpg")
    photo.rotate(90).resize((110, 90)).save(tmp_path / "painting.jpg")
    (tmp_path / "recipe.yaml").write_text(
        "perceptual: alexnet\ncontent_layers: [relu3]\nstyle_layers: [relu1, relu2]\nsteps: 4\nsize: 96\n"
    )
    return tmp_path
