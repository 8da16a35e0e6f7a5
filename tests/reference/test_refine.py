"""Refinement goes on from the network's picture and lowers what the style was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from fastnst.errors import ConfigError
from fastnst.reference.refine import refine
from fastnst.runtime.models.metadata import StyleMetadata
from tests.test_perceptual import random_state

LAYERS = {"content_layers": ["relu3"], "style_layers": ["relu1", "relu2"]}
METADATA = StyleMetadata(
    name="negative", perceptual="alexnet", loss_weights={**LAYERS, "style_size": 96, "weave_weight": 2.0}
)


def test_refinement_lowers_the_objective_from_the_first_step(tmp_path: Path, photo: Image.Image) -> None:
    save_file(random_state("alexnet"), tmp_path / "alexnet.safetensors")
    photo.rotate(90).resize((110, 90)).save(tmp_path / "painting.jpg")
    pixels = np.asarray(photo.resize((80, 96)))
    restyled = 255 - pixels
    weights = str(tmp_path / "alexnet.safetensors")
    made, run = refine(pixels, restyled, METADATA, [tmp_path / "painting.jpg"], 6, perceptual_weights=weights)
    totals = [step.terms["total"] for step in run.history]
    assert made.shape == pixels.shape
    assert made.dtype == np.uint8
    assert len(totals) == 6
    assert min(totals) < 0.9 * totals[0]
    # It starts from the network's picture, not from the photo.
    assert np.abs(made.astype(int) - restyled).mean() < np.abs(made.astype(int) - pixels).mean()
    with pytest.raises(ConfigError, match="does not say what it was trained on"):
        refine(pixels, restyled, replace(METADATA, loss_weights={}), [], 6)
    with pytest.raises(ConfigError, match="at least 1 step, not 0"):
        refine(pixels, restyled, METADATA, [], 0)
    with pytest.raises(ConfigError, match="80×96 pixels and its restyled picture 79×96"):
        refine(pixels, restyled[:, 1:], METADATA, [], 6)
