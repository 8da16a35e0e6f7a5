from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from fastnst.checkpoints import load_network, save_network
from fastnst.commands.preview import main as preview
from fastnst.commands.train_predictor import main
from fastnst.errors import ConfigError, ModelError, OutputError
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.networks import build_network
from fastnst.networks.affines import affines
from fastnst.perceptual.slim import load_slim
from fastnst.reference.inputs import open_tensor
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.start.paintings import Paintings
from fastnst.start.photo_store import PhotoStore
from fastnst.start.predictor import (
    AffinePredictor,
    channel_moments,
    described_moments,
    guess_style,
    predictor_description,
    save_predictor,
)
from fastnst.start.style_bank import measure_style, style_term
from fastnst.trainer.photos import Crops, FolderSource

OPTIONS = {"width": 32, "blocks": 1}


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory, photo: Image.Image) -> Path:
    """Three paintings, two photos, and a start."""
    folder = tmp_path_factory.mktemp("predictor")
    for kind, count in (("paintings", 3), ("photos", 2)):
        (folder / kind).mkdir()
        for number in range(count):
            photo.rotate(90 * number, expand=True).resize((120, 100)).save(folder / kind / f"{kind}{number}.png")
    torch.manual_seed(0)
    start = build_network("swift", **OPTIONS)
    save_network(
        start, StyleMetadata(name="start", network="swift", network_options=OPTIONS), folder / "start.safetensors"
    )
    return folder


def learn(materials: Path, output: Path, *more: str) -> None:
    main(
        [
            "--paintings", str(materials / "paintings"), "--photos", str(materials / "photos"),
            "--init", str(materials / "start.safetensors"), "--output", str(output), "--leave_out", "[paintings2]",
            "--style_size", "64", "--image_size", "48", "--photo_size", "64", "--photo_count", "2", "--draws", "4",
            "--batch_size", "3", "--steps", "3", "--hidden", "8", *more,
        ]
    )  # fmt: skip


@pytest.mark.slow
def test_what_is_learned_guesses_other_affines_for_other_paintings(materials: Path, tmp_path: Path) -> None:
    path = tmp_path / "predictor.safetensors"
    learn(materials, path)
    guesses = []
    start = load_network(materials / "start.safetensors")[0]
    for number in range(2):
        network = load_network(materials / "start.safetensors")[0]
        guess_style(network, [open_tensor(materials / "paintings" / f"paintings{number}.png", 64)], path=path)
        guesses.append(affines(network))
        for name, parameter in network.named_parameters():
            if parameter.ndim == 4:
                assert torch.equal(parameter, start.get_parameter(name))
    assert not torch.equal(guesses[0], guesses[1])
    assert not torch.equal(guesses[0], affines(start))
    said = predictor_description(path)
    assert said["steps"] == 3
    assert said["paintings"] == 2
    assert list(said["tested"]) == ["paintings2"]
    assert not any("/" in str(value) for value in said["settings"].values())


def test_a_first_guess_at_once(materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, predictor, sheet = materials / "start.safetensors", tmp_path / "p.safetensors", tmp_path / "sheet.png"
    network = load_network(start)[0]
    save_predictor(AffinePredictor(1488, affines(network), 4), network, {}, predictor)
    arguments = [str(materials / "paintings" / "paintings0.png"), "--instant", "--init", str(start), "-o", str(sheet)]
    preview([*arguments, "--predictor", str(predictor)])
    assert "what a training of paintings0.png begins from" in capsys.readouterr().out
    with Image.open(sheet) as picture:
        assert picture.width > 900  # painting, photo and guess side by side
    with pytest.raises(ModelError, match="no predictor ships for this network"):
        preview([*arguments, "--overwrite"])
    with pytest.raises(ConfigError, match="--instant"):
        preview([arguments[0]])


def test_loading_a_network_does_not_load_the_compiler(materials: Path) -> None:
    code = (
        "import sys, pathlib, fastnst.checkpoints; fastnst.checkpoints.load_network(pathlib.Path(sys.argv[1]));"
        " print('torch._dynamo' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(materials / "start.safetensors")], capture_output=True)
    assert told.stdout.split() == [b"False"], told.stderr


@pytest.mark.slow
def test_a_start_may_be_learned_with_its_predictor(materials: Path, tmp_path: Path) -> None:
    more = ("--init", "null", "--network.name", "swift-s", "--network.options", "{width: 32, blocks: 1}")
    path, painting = tmp_path / "predictor.safetensors", torch.rand(1, 3, 48, 48)
    with pytest.raises(ConfigError, match="give network_rate"):
        learn(materials, path, *more)
    learn(materials, path, *more, "--network_rate", "0.01")
    network, metadata = load_network(tmp_path / "start.safetensors")
    assert (metadata.name, metadata.network, metadata.steps) == ("start", "swift-s", 3)
    before = affines(network)
    guess_style(network, [painting], path=path)
    assert not torch.equal(affines(network), before)


def test_a_new_predictor_guesses_the_starts_own_affines() -> None:
    base = torch.randn(10)
    predictor = AffinePredictor(6, base, hidden=4)
    predictor.normalize_by(torch.rand(5, 6))
    assert torch.equal(predictor(torch.rand(2, 6)), base.expand(2, -1))


def test_moments_are_means_and_spreads() -> None:
    slim = load_slim(padding="replicate")
    painting = torch.rand(1, 3, 32, 32)
    described = described_moments(channel_moments(slim, painting))
    first = slim.features(painting, ["relu1_1"])["relu1_1"]
    count = described.shape[1] // 2
    assert torch.allclose(described[0, : first.shape[1]], first.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(
        described[0, count : count + first.shape[1]], first.std((0, 2, 3), correction=0), rtol=1e-3, atol=1e-4
    )


def test_one_pass_finds_moments_and_targets() -> None:
    objective = Objective(load_slim(padding="replicate"), ObjectiveConfig())
    paintings, weights = [torch.rand(1, 3, 64, 80), torch.rand(1, 3, 48, 48)], [0.3, 0.9]
    with torch.no_grad():
        moments, measured = measure_style(paintings, weights, objective)
        targets = {layer: target.clone() for layer, target in measured.items()}
        objective.set_style(paintings, weights)
        one, other = (channel_moments(objective.perceptual, painting) for painting in paintings)
    assert torch.allclose(moments, 0.25 * one + 0.75 * other, atol=1e-5)
    for layer, target in style_term(objective).targets().items():
        assert torch.allclose(targets[layer], target, rtol=1e-4, atol=1e-5 * float(target.abs().max()))


def test_crops_on_the_device_are_parts_of_photos(materials: Path) -> None:
    crops = Crops(FolderSource(materials / "photos"), 64, seed=0)
    store = PhotoStore(crops, range(2), 32, torch.device("cpu"))
    taken = store.take(8, torch.Generator().manual_seed(0))
    squares = store.squares.float() / 255
    for crop in taken:
        windows = torch.cat([squares, squares.flip(3)]).unfold(2, 32, 1).unfold(3, 32, 1)  # [n, 3, y, x, 32, 32]
        assert bool((windows == crop[None, :, None, None]).all(dim=(1, 4, 5)).any())
    assert len({crop.numpy().tobytes() for crop in taken}) > 1


def test_what_is_kept_out_is_known(materials: Path) -> None:
    paintings = Paintings(materials / "paintings", ["paintings1"], 64, seed=0)
    assert [path.stem for path in paintings.kept] == ["paintings1"]


def test_what_a_user_can_get_wrong(materials: Path, tmp_path: Path) -> None:
    path = tmp_path / "predictor.safetensors"
    with pytest.raises(ConfigError, match="photo_size must be at least image_size, 48, not 40"):
        learn(materials, path, "--photo_size", "40")
    with pytest.raises(ConfigError, match="seconds must be above 0"):
        learn(materials, path, "--seconds", "0")
    with pytest.raises(ConfigError, match="sees paintings by slim"):
        learn(materials, path, "--perceptual.name", "vgg19")
    start = build_network("swift", **OPTIONS)
    painting = torch.rand(1, 3, 32, 32)
    with pytest.raises(ModelError, match="no predictor ships for this network"):
        guess_style(start, [painting])
    with pytest.raises(ModelError, match="does not exist"):
        guess_style(start, [painting], path=path)
    save_predictor(AffinePredictor(1488, affines(start), 4), start, {}, path)
    with pytest.raises(ModelError, match="learned with another start"):
        guess_style(build_network("swift", **OPTIONS), [painting], path=path)
    with pytest.raises(OutputError, match="exists already"):
        learn(materials, path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged"):
        guess_style(start, [painting], path=path)
    shutil.copy(materials / "start.safetensors", path)
    with pytest.raises(ModelError, match="not a predictor"):
        guess_style(start, [painting], path=path)
