"""`import fastnst` and what it offers: instant, without torch, documented, the commands' own code."""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fastnst
from fastnst.errors import FastNSTError, ImageError
from fastnst.runtime.models.metadata import StyleMetadata
from tests.conftest import write_model
from tests.runtime.clips import make_clip, pictures


def test_the_import_is_instant_and_loads_nothing() -> None:
    code = (
        "import sys, time; started = time.process_time(); import fastnst; seconds = time.process_time() - started\n"
        "print(seconds < 0.1, sorted(name for name in sys.modules if name.split('.')[0] in "
        "('numpy', 'PIL', 'torch', 'rich', 'onnxruntime')))\n"
        "fastnst.Stylizer; fastnst.restyle_video; fastnst.Matting; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True []", "False"]


def test_all_names_are_there_and_documented() -> None:
    assert sorted(fastnst.__all__) == list(fastnst.__all__)
    assert set(fastnst.__all__) <= set(dir(fastnst))
    assert (Path(fastnst.__file__).parent / "py.typed").is_file()
    for name in fastnst.__all__:
        value = getattr(fastnst, name)
        assert value.__doc__, name
        if inspect.isfunction(value):
            hints = [parameter.annotation for parameter in inspect.signature(value).parameters.values()]
            assert inspect.Parameter.empty not in [*hints, inspect.signature(value).return_annotation], name
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        fastnst.stylise  # noqa: B018


def _modules_with_examples() -> list[str]:
    root = Path(fastnst.__file__).parents[1]
    files = [path for path in sorted(root.glob("fastnst/**/*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    return [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in files]


@pytest.mark.parametrize("name", _modules_with_examples())
def test_examples_in_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_people_are_cutout() -> None:
    matting = fastnst.Matting(provider="cpu")
    alpha = matting(fastnst.sample_photo())
    assert (alpha.shape, alpha.dtype) == ((480, 410), np.float32)
    assert alpha[240:, 205].mean() > 0.9  # she stands in the middle
    cut = matting.cutout(str(fastnst.sample_photo()))
    assert (cut.mode, cut.size) == ("RGBA", (410, 480))
    with pytest.raises(ImageError, match="no person was found"):
        matting.cutout(Image.new("RGB", (64, 48), "green"))


def test_a_clip_is_restyled(negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=6)
    seen: list[int] = []
    made = fastnst.restyle_video(
        str(source), tmp_path / "out.mp4", negative_model, provider="cpu", end=0.2, progress=lambda n, _: seen.append(n)
    )
    assert made.path == tmp_path / "out.mp4"
    assert made.frames == len(pictures(made.path)) > 0
    with pytest.raises(FastNSTError, match="exists already"):
        fastnst.restyle_video(source, tmp_path / "out.mp4", negative_model)
    with pytest.raises(FastNSTError, match="strength must be between"):
        fastnst.restyle_video(source, tmp_path / "b.mp4", negative_model, strength=2)


def test_a_photo_is_optimized(tmp_path: Path) -> None:
    photo = fastnst.sample_photo()
    steps: list[int] = []
    made = fastnst.optimize(
        photo,
        [str(photo)],
        recipe="reference/gatys_adam",
        settings={"perceptual": "slim", "steps": 2, "size": 64, "style_layers": ["conv1_1", "conv2_1"], "tap": None},
        progress=lambda number, terms: steps.append(number),
    )
    assert made.image.size == (55, 64)
    assert steps[-1] == made.steps == 2
    assert not made.interrupted
    assert {"content", "style", "total"} <= made.terms.keys()
    with pytest.raises(FastNSTError, match=r"no setting 'stpes'\. Did you mean 'steps'"):
        fastnst.optimize(photo, photo, settings={"stpes": 2})
    with pytest.raises(FastNSTError, match=r"no option 'setps'\. Did you mean 'steps'"):
        fastnst.compare("starry_night", tmp_path, photo, setps=1)


def test_a_style_is_compared(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with Image.open(fastnst.sample_photo()) as photo:
        photo.save(tmp_path / "photos" / "a.jpg")
    recipe = {"content_layers": ["relu3_1"], "style_layers": ["relu1_1", "relu2_1"], "style_size": 64}
    described = StyleMetadata(name="negative", perceptual="slim", loss_weights=recipe)
    style = write_model(tmp_path / "negative.onnx", properties=described.to_properties())
    options = {"size": 96, "steps": 2, "start": "content", "second": "none", "provider": "cpu"}
    page = tmp_path / "page.html"
    found = fastnst.compare(style, tmp_path / "photos", fastnst.sample_photo(), page=page, **options)
    assert found["style"] == "negative"
    assert len(found["curve"]) == 2
    assert found["network_objective"]["total"] > 0
    assert "data:image" in page.read_text()
    with pytest.raises(FastNSTError, match="exists already"):
        fastnst.compare(style, tmp_path / "photos", fastnst.sample_photo(), page=page, **options)
