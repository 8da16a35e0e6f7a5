"""FID's and ArtFID's networks: their files are read safely, and what is missing is told with the offline way."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fastnst.errors import ConfigError, DownloadError, MissingDependencyError
from fastnst.metrics.frechet import PooledFeatures
from fastnst.metrics.inception import ART_WEIGHTS, WEIGHTS, open_art_inception, open_inception
from fastnst.perceptual import PerceptualConfig, build_perceptual
from tests.style_models import write_style
from tests.test_perceptual import random_state


@pytest.fixture
def fid_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as torch-fidelity publishes it, with random weights."""
    inside: Any = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with monkeypatch.context() as patch:
        patch.setattr(inside, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(inside.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.manual_seed(0)
        network = inside.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    return tmp_path / "inception.pth"


@pytest.mark.slow
def test_features_of_fid_are_read_from_a_local_file(fid_weights: Path) -> None:
    network = open_inception(str(fid_weights))
    pictures = torch.rand(2, 3, 60, 80, generator=torch.Generator().manual_seed(0))
    features = network(pictures)
    assert features.shape == (2, 2048) == (2, network.num_features)
    assert torch.isfinite(features).all()
    same = torch.cat([network(picture[None]) for picture in pictures])
    assert torch.allclose(features, same, atol=1e-4)


@pytest.mark.slow
def test_features_of_artfid_are_read_from_a_local_file(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    published = models.inception_v3(weights=None, aux_logits=True, init_weights=False)
    # Its file has two heads for artist and style, and auxiliary ones: none of them is read.
    state = {key: value for key, value in published.state_dict().items() if not key.startswith("fc")}
    torch.save(state | {"fc1.weight": torch.zeros(5, 2048)}, tmp_path / "art_inception.pth")
    network = open_art_inception(str(tmp_path / "art_inception.pth"))
    assert network(torch.rand(1, 3, 96, 128)).shape == (1, 2048)
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="does not hold the weights of ArtFID's Inception"):
        open_art_inception(str(tmp_path / "other.pth"))


def test_what_cannot_be_had_is_told_with_its_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_fidelity")
    monkeypatch.setenv("FASTNST_MIRROR", str(tmp_path))
    with pytest.raises(DownloadError, match=r"96 MB\) from another machine and pass it with --fid-weights FILE"):
        open_inception()
    (tmp_path / WEIGHTS.name).write_bytes(b"something else")
    with pytest.raises(DownloadError, match="is not the published file"):
        open_inception()
    with pytest.raises(ConfigError, match=r"none.pth of --fid-weights does not exist"):
        open_inception(str(tmp_path / "none.pth"))
    with pytest.raises(ConfigError, match="of --fid-weights cannot be read as weights of PyTorch"):
        open_inception(str(tmp_path / WEIGHTS.name))
    torch.save({"a": "text"}, tmp_path / "text.pth")
    with pytest.raises(ConfigError, match="holds no weights alone"):
        open_inception(str(tmp_path / "text.pth"))
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingDependencyError, match=r"fastnst\[metrics\]"):
        open_inception()


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity")

    class Harmful:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    torch.save({"fc.weight": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(ConfigError, match="cannot be read"):
        open_inception(str(tmp_path / "harmful.pth"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_zoo_has_one_fid(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    zoo = importlib.import_module("zoo_fid")
    save_file(random_state("alexnet"), tmp_path / "alexnet.safetensors")
    alexnet = build_perceptual(PerceptualConfig("alexnet", weights_file=str(tmp_path / "alexnet.safetensors")))
    # In place of Inception, whose matrices take half a minute.
    monkeypatch.setattr(zoo, "open_inception", lambda weights: PooledFeatures(alexnet, "relu2", 192))
    (tmp_path / "photos").mkdir()
    for number in range(25):
        photo.rotate(number).resize((72, 66)).save(tmp_path / "photos" / f"{number}.png")
    given = []
    for name, negative in (("plain", False), ("negative", True)):
        photo.rotate(90).resize((80, 70)).save(tmp_path / f"{name}.png")
        given.append(f"{write_style(tmp_path / f'{name}.onnx', negative=negative)}={tmp_path / f'{name}.png'}")
    options = ["--photos", str(tmp_path / "photos"), "--provider", "cpu", "--lpips-weights"]
    options += [str(tmp_path / "alexnet.safetensors"), "-o", str(tmp_path / "zoo")]
    with pytest.raises(ConfigError, match="20 results of 2 styles are too few for FID"):
        zoo.main([*given, *options, "--count", "10"])
    assert zoo.main([*given, *options, "--count", "25", "--size", "72"]) == 0
    figures = json.loads((tmp_path / "zoo" / "zoo.json").read_text())
    assert (figures["results"], figures["photos"]) == (50, 25)
    assert 0 < figures["lpips"] < 1
    assert figures["fid"] > 0
    assert "art_fid" not in figures
    assert "FID to the paintings" in capsys.readouterr().out
    assert ART_WEIGHTS.startswith("https://")
