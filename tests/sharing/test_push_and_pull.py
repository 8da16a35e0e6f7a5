"""Push to a hub of ours and pull from it; an index on a static host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fastnst import cli
from fastnst.errors import ConfigError
from fastnst.hub import HubAddress
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.sharing.index import parse_index
from fastnst.sharing.repository import hub_header
from tests.conftest import gradient
from tests.hub.loopback import TOKEN, Hub, running_hub
from tests.style_models import write_gallery

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # between the hub's library and httpx


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    with running_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield running


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A small untrained network with a description, as a training leaves it."""
    import torch

    from fastnst.checkpoints import save_network
    from fastnst.networks import build_network

    run = tmp_path / "runs" / "mine" / "version_0"
    run.mkdir(parents=True)
    network = build_network("swift-s")  # a graph of this kind ships
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():  # as after a training no two are equal
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    described = StyleMetadata(
        name="mine",
        title="A Painting",
        movement="Art Nouveau",
        network="swift-s",
        network_options=network.options,
        data="12 photos of detection-datasets/coco",
        started_from="starry_night",
        lbfgs_equivalent=47.0,
    )
    save_network(network, described, run / "mine.safetensors")
    return run


def test_a_run_is_pushed_and_pulled(hub: Hub, network: Path, tmp_path: Path, capsys) -> None:
    assert cli.main(["push", str(network.parent), "--to", "me/night"]) == 0
    assert "use it with --style hf://me/night" in capsys.readouterr().out
    (files,) = hub.repositories["me/night"].commits.values()
    assert set(files) == {"README.md", "config.json", "sample.jpg", "style.onnx", "style.safetensors"}
    header = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert header["license"] == "mit"
    assert header["pipeline_tag"] == "image-to-image"
    assert "art-nouveau" in header["tags"]
    assert header["base_model"] == "starry_night"
    assert header["datasets"] == ["detection-datasets/coco"]
    assert header["model-index"][0]["results"][0]["metrics"][0]["value"] == 47.0
    assert "--style hf://me/night" in files["README.md"].decode()
    assert json.loads(files["config.json"])["title"] == "A Painting"

    assert cli.main(["pull", "hf://me/night", "--as", "evening"]) == 0
    assert "use it with --style evening" in capsys.readouterr().out
    photo = tmp_path / "a.png"
    Image.fromarray(gradient(40, 50)).save(photo)
    assert cli.main(["stylize", str(photo), "--style", "evening", "-o", str(tmp_path / "out.png")]) == 0
    assert cli.main(["pull", "hf://me/night", "--as", "evening"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["pull", "hf://me/night", "--as", "starry_night"]) == 2
    assert "there is a style 'starry_night' already" in capsys.readouterr().err


def test_a_model_file_brings_its_weights_along(hub: Hub, network: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    assert cli.main(["export", str(network / "mine.safetensors"), "-o", str(model)]) == 0
    assert cli.main(["push", str(model), "--to", "me/night", "--write", str(tmp_path / "there")]) == 0
    assert not hub.repositories
    from safetensors.numpy import load_file

    first, second = load_file(network / "mine.safetensors"), load_file(tmp_path / "there" / "style.safetensors")
    assert first.keys() == second.keys()
    for name, weights in first.items():  # the file has half precision, and filters come back from mixtures of it
        assert np.abs(weights - second[name]).max() <= 2**-8 * np.abs(weights).max()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["starry_night", "--to", "../x"], "is not the address"),
        (["starry_night", "--to", "me/x@" + "0" * 40], "names a commit"),
        (["{tmp}", "--to", "me/x"], "holds no trained network"),
        (["nothing", "--to", "me/x"], "unknown style 'nothing'"),
    ],
)
def test_what_cannot_be_pushed(hub: Hub, tmp_path: Path, capsys, arguments: list[str], reason: str) -> None:
    assert cli.main(["push", *(text.format(tmp=tmp_path) for text in arguments)]) == 2
    assert reason in capsys.readouterr().err
    assert not hub.repositories


def test_refusals_are_one_sentence(hub: Hub, network: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert cli.main(["push", str(network), "--to", "me/night"]) == 2
    assert "the hub refuses hf://me/night (401)" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    assert cli.main(["push", str(network), "--to", "me/night"]) == 2
    assert "no token for the hub was found" in capsys.readouterr().err


def test_an_index_for_a_static_host(tmp_path: Path, monkeypatch, capsys) -> None:
    gallery = write_gallery(tmp_path / "gallery")
    monkeypatch.setenv("FASTNST_STYLES", str(gallery))
    site = tmp_path / "site"
    assert cli.main(["styles", "--artist", "monet", "--publish", str(site)]) == 0
    assert {path.name for path in site.iterdir()} >= {"index.json", "lilies.onnx", "lilies.jpg", "sunrise.onnx"}
    capsys.readouterr()
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path / "mine"))
    for address in (str(site), site.as_uri(), f"{site.as_uri()}/index.json"):
        assert cli.main(["styles", "--from", address]) == 0
        assert "Water Lilies" in capsys.readouterr().out
    assert cli.main(["pull", "lilies", "--from", str(site)]) == 0
    assert (tmp_path / "mine" / "lilies.onnx").read_bytes() == (gallery / "lilies.onnx").read_bytes()
    (site / "sunrise.onnx").write_bytes(b"something else")
    assert cli.main(["pull", "sunrise", "--from", str(site)]) == 2
    assert "cannot be downloaded" in (error := capsys.readouterr().err) or "is not the published file" in error
    assert cli.main(["pull", "lilie", "--from", str(site)]) == 2
    assert "Did you mean 'lilies'?" in capsys.readouterr().err
    assert not (tmp_path / "mine" / "sunrise.onnx").exists()


def as_index(changes: dict) -> bytes:
    return json.dumps({"format": "fastnst-styles", "version": 1, **changes}).encode()


GOOD = {"name": "a", "file": "a.onnx", "size": 3, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "is not an index of styles"),
        ({"version": 2, "styles": []}, "has the version 2"),
        ({"styles": [{**GOOD, "file": "../a.onnx"}]}, "number 1"),
        ({"styles": [GOOD, {**GOOD, "file": "https://elsewhere/a.onnx"}]}, "number 2"),
        ({"styles": [{**GOOD, "size": "3"}]}, "number 1"),
        ({"styles": [{**GOOD, "size": True}]}, "number 1"),
        ({"styles": [{**GOOD, "sha256": "x"}]}, "number 1"),
        ({"styles": [{**GOOD, "name": "\x1b[31m"}]}, "number 1"),
        ({"styles": [{**GOOD, "title": "x" * 501}]}, "number 1"),
        ({"styles": [{**GOOD, "n_eq": [1]}]}, "number 1"),
        ({"styles": [3]}, "number 1"),
    ],
)
def test_indexes_that_are_none(index: object, reason: str) -> None:
    content = (
        index if isinstance(index, bytes) else json.dumps({"format": "fastnst-styles", "version": 1, **index}).encode()
    )  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match=reason):
        parse_index(content, "there")


def test_unknown_keys_are_left_alone() -> None:
    content = json.dumps(
        {"format": "fastnst-styles", "version": 1, "new": 1, "styles": [{**GOOD, "stars": 5}]}
    ).encode()
    assert parse_index(content, "there")[0].name == "a"


def test_a_header_without_figures_has_none() -> None:
    header = hub_header(StyleMetadata(name="x"), HubAddress("me", "x"))
    assert "model-index" not in header
    assert "base_model" not in header
    assert "datasets" not in header
