from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import ConfigError, ImageError, ModelError, StyleNotFoundError
from fastnst.runtime import StyleMetadata, StyleModel, Stylizer, available_styles, resolve_style
from fastnst.runtime.engine.providers import usable_cores
from fastnst.runtime.imaging.color import transfer_luminance
from tests.conftest import gradient, write_model


def test_bytes_in_bytes_out_of_any_size(negative_model: Path) -> None:
    model = StyleModel(negative_model, "cpu")
    for shape in ((1, 16, 16, 3), (3, 17, 31, 3)):
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        assert np.array_equal(model(images), 255 - images)
    assert (model.provider, model.precision, model.metadata.title) == ("cpu", "f32", "A Negative")


def test_stylizer_takes_images_arrays_and_files(negative_model: Path, photo_file: Path) -> None:
    stylizer = Stylizer(negative_model)
    with Image.open(photo_file) as image:
        pixels = np.asarray(image)
        results = [stylizer(image), stylizer(pixels), stylizer(photo_file), stylizer(str(photo_file))]
    for result in results:
        assert np.array_equal(np.asarray(result), 255 - pixels)


def test_strength_blends(negative_model: Path) -> None:
    photo = Image.new("RGB", (20, 20), (200, 100, 0))
    stylizer = Stylizer(negative_model, "cpu")
    for strength, expected in ((0.0, (200, 100, 0)), (1.0, (55, 155, 255)), (0.5, (127, 127, 127))):
        found = stylizer(photo, strength=strength).getpixel((3, 3))
        assert np.abs(np.subtract(found, expected)).max() <= 1


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_outside_is_refused(negative_model: Path, strength: float) -> None:
    with pytest.raises(ConfigError, match="strength must be between 0 and 1"):
        Stylizer(negative_model, "cpu")(Image.new("RGB", (20, 20)), strength=strength)


def test_preserved_colours_are_the_photos_and_the_light_is_the_styles() -> None:
    photo, stylized = gradient(64, 64) // 2 + 64, 255 - gradient(64, 64)
    kept = Image.fromarray(transfer_luminance(photo, stylized)).convert("YCbCr")
    original, other = (Image.fromarray(pixels).convert("YCbCr") for pixels in (photo, stylized))
    for channel in (1, 2):
        difference = np.asarray(kept.getchannel(channel), int) - np.asarray(original.getchannel(channel), int)
        assert np.abs(difference).mean() < 6
    correlation = np.corrcoef(np.asarray(kept.getchannel(0)).ravel(), np.asarray(other.getchannel(0)).ravel())
    assert correlation[0, 1] > 0.98


def test_a_grey_photo_stays_grey() -> None:
    photo = np.repeat(gradient(32, 32)[..., :1], 3, axis=2)
    kept = transfer_luminance(photo, gradient(32, 32)).astype(int)
    assert np.abs(kept - kept[..., :1]).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (15, 400)])
def test_tiny_pictures_are_refused(negative_model: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"too small: 16×16 is the least"):
        Stylizer(negative_model, "cpu")(Image.new("RGB", size))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"input_name": "input"}, "it has input where 'image' alone is expected"),
        ({"shape": (1, "height", "width", 3)}, "has the fixed shape"),
        ({"shape": ("batch", 3, "height", "width")}, r"not \[N, H, W, 3\]"),
        ({"kind": "INT8"}, r"tensor\(int8\), not tensor\(uint8\)"),
        ({"properties": {}}, "carries no fastnst description"),
        ({"properties": {"fastnst.format_version": "99"}}, "format version is 99"),
        ({"properties": {"fastnst.format_version": "1"}}, "names no style"),
    ],
)
def test_foreign_models_are_refused_with_the_reason(tmp_path: Path, options: dict, reason: str) -> None:
    path = write_model(tmp_path / "foreign.onnx", **options)
    with pytest.raises(ModelError, match=reason):
        StyleModel(path, "cpu")


def test_files_that_are_no_models_are_refused(tmp_path: Path, negative_model: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "cut.onnx").write_bytes(negative_model.read_bytes()[:60])
    for name, reason in (
        ("empty.onnx", "is empty"),
        ("text.onnx", "not an ONNX model"),
        ("cut.onnx", "not an ONNX model"),
        ("missing.onnx", "does not exist"),
        (".", "is a folder"),
    ):
        with pytest.raises(ModelError, match=reason):
            StyleModel(tmp_path / name, "cpu")


def test_metadata_survives_the_file() -> None:
    metadata = StyleMetadata(
        name="x", network_options={"width": 32}, objective={"total": 1.5}, steps=7, lbfgs_equivalent=80.5
    )
    assert StyleMetadata.from_properties(metadata.to_properties()) == metadata


def test_damaged_metadata_is_refused() -> None:
    properties = StyleMetadata(name="x").to_properties() | {"fastnst.steps": "{"}
    with pytest.raises(ModelError, match=r"damaged \(steps is no JSON"):
        StyleMetadata.from_properties(properties)


def test_styles_are_found_by_name(negative_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_STYLES", str(negative_model.parent))
    assert available_styles()["negative"] == negative_model
    assert resolve_style("negative") == negative_model
    with pytest.raises(StyleNotFoundError, match=r"unknown style 'negativ'.*Did you mean 'negative'"):
        resolve_style("negativ")


@pytest.mark.parametrize(
    ("provider", "message"),
    [("gpu", "unknown provider 'gpu'"), ("cuda", r"'cuda' cannot be used.*fastnst\[gpu\]")],
)
def test_providers_that_cannot_be_had(negative_model: Path, provider: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StyleModel(negative_model, provider)


def test_threads(negative_model: Path) -> None:
    assert usable_cores() >= 1
    with pytest.raises(ConfigError, match="threads must be at least 1"):
        StyleModel(negative_model, threads=0)


def test_without_onnxruntime_the_extra_is_named(negative_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnst.errors import MissingDependencyError

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "fastnst\[cpu\]"'):
        StyleModel(negative_model)


def test_the_runtime_and_its_help_import_nothing_heavy() -> None:
    code = (
        "import sys, json, fastnst.runtime, fastnst.cli, fastnst.commands.stylize as s\n"
        "s.build_parser('x').format_help()\n"
        "print(json.dumps([m for m in ('torch', 'onnxruntime', 'pytorch_lightning', 'onnx') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
