"""The bundled perceptual network: it is there, small, described, and judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from fastnst.errors import ConfigError, DownloadError
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.statistics import gram_matrix
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.perceptual.architectures import SLIM_TAPS
from fastnst.perceptual.slim import SLIM_FILE, load_slim, save_slim, slim_recipe
from fastnst.reference.optimize import OptimizeConfig, optimize


def tensor(image: Image.Image, size: tuple[int, int] = (96, 112)) -> Tensor:
    return torch.from_numpy(np.array(image.resize(size))).permute(2, 0, 1)[None].float() / 255


def test_it_needs_no_download_and_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", "http://127.0.0.1:9")
    network = build_perceptual(PerceptualConfig("slim"))
    assert network.layer_names[-1] == "relu5_1"
    assert SLIM_FILE.stat().st_size <= 4_000_000
    teacher, own = 64 + 128 + 256 + 512 + 512, sum(network.channels(f"relu{block}_1") for block in range(1, 6))
    assert teacher / 4 <= own <= teacher / 1.9


def test_its_file_says_how_it_was_made() -> None:
    recipe = slim_recipe()
    assert recipe["teacher"].startswith("vgg19")
    assert recipe["steps"] > 1000
    assert recipe["held_out"]["gradient_cosine/blend"] > 0.4


def test_terms_are_zero_at_the_photo_and_at_the_painting_and_large_between(photo: Image.Image) -> None:
    objective = Objective(build_perceptual(PerceptualConfig("slim")), ObjectiveConfig())
    picture, painting = tensor(photo), tensor(photo.rotate(90).convert("L").convert("RGB"))
    objective.set_style([painting])
    at_photo = objective(picture, objective.content_target(picture))
    at_painting = objective(painting, objective.content_target(picture))
    assert float(at_photo["content"]) == pytest.approx(0, abs=1e-6)
    assert float(at_painting["style"]) == pytest.approx(0, abs=1e-6)
    assert float(at_photo["style"]) > 0.05
    assert float(at_painting["content"]) > 0.5


@pytest.mark.slow
def test_a_picture_optimized_with_it_gets_the_paintings_colours(photo: Image.Image) -> None:
    objective = Objective(build_perceptual(PerceptualConfig("slim")), ObjectiveConfig())
    shares = (0.2, 0.4, 1.0)
    blue = Image.merge(
        "RGB", [band.point(lambda v, k=k: int(v * k)) for band, k in zip(photo.split(), shares, strict=True)]
    )
    picture, painting = tensor(photo), tensor(blue.rotate(180))
    objective.set_style([painting])
    result = optimize(picture, objective, OptimizeConfig(steps=20))
    assert result.history[-1].terms["total"] < 0.5 * result.history[0].terms["total"]
    before, after = ((one[:, 2] - one[:, 0]).mean() for one in (picture, result.image))
    assert float(after - before) > 0.1


def test_storing_it_in_eight_bits_changes_its_features_little(photo: Image.Image, tmp_path: Path) -> None:
    network = load_slim()
    exact = network.features(tensor(photo), SLIM_TAPS)
    for convolution in network.convolutions.values():
        convolution.weight += 1e-3 * convolution.weight.abs().mean() * torch.randn_like(convolution.weight)  # type: ignore[union-attr, arg-type, operator]
    save_slim(network, {"steps": 1}, tmp_path / "slim.safetensors")
    assert (tmp_path / "slim.safetensors").stat().st_size <= 4_000_000
    for tap, found in load_slim(tmp_path / "slim.safetensors").features(tensor(photo), SLIM_TAPS).items():
        assert float((found - exact[tap]).norm() / exact[tap].norm()) < 0.1


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(SLIM_FILE.read_bytes()[:5000])
    for name, message in (
        ("foreign.safetensors", "not a slim network"),
        ("cut.safetensors", "damaged"),
        ("missing.safetensors", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=message):
            build_perceptual(PerceptualConfig("slim", weights_file=str(tmp_path / name)))


def test_the_error_without_a_connection_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"--perceptual slim"):
        build_perceptual(PerceptualConfig("vgg19"))


def test_other_weight_sets_are_refused() -> None:
    with pytest.raises(ConfigError, match="bundled"):
        build_perceptual(PerceptualConfig("slim", weights="oxford"))


def test_reading_out_a_gram_matrix_is_reading_out_its_features(photo: Image.Image) -> None:
    network, picture = build_perceptual(PerceptualConfig("slim")), tensor(photo)
    stretched, raw = network.features(picture, SLIM_TAPS), network.features(picture, SLIM_TAPS, raw=SLIM_TAPS)
    for tap in SLIM_TAPS:
        expected = gram_matrix(stretched[tap])
        assert torch.allclose(
            network.read_out_moments(tap, gram_matrix(raw[tap])), expected, atol=1e-3 * float(expected.max())
        )
        assert not torch.allclose(gram_matrix(raw[tap]), expected, rtol=0.01)


def test_the_statistic_of_a_layer_that_is_content_too_is_the_same(photo: Image.Image) -> None:
    network, picture = build_perceptual(PerceptualConfig("slim")), tensor(photo)
    terms = []
    for content_layer in ("relu4_2", "relu3_1"):  # the second is a style layer as well
        objective = Objective(network, ObjectiveConfig(content_layers=[content_layer]))
        objective.set_style([picture.flip(3).square()])
        terms.append(float(objective(picture, objective.content_target(picture))["style"]))
    assert terms[0] == pytest.approx(terms[1], rel=1e-3)
