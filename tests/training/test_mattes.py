"""Portraits in training: photos with mattes, and terms inside and outside of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst import cli
from fastnst.checkpoints import load_network
from fastnst.errors import ConfigError, ImageError
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.regions import MatteWeights, matte_terms
from fastnst.perceptual.architectures import ARCHITECTURES, TORCHVISION
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.training.data import PhotoData
from fastnst.training.portraits import PortraitSource
from tests.training.runs import arguments, train


@pytest.fixture(scope="module")
def objective() -> Objective:
    torch.manual_seed(0)
    network = PerceptualNetwork(ARCHITECTURES["alexnet"], TORCHVISION, name="alexnet")
    found = Objective(
        network, ObjectiveConfig(content_layers=["relu3"], style_layers=["relu1", "relu2"], tv_weight=1.0)
    )
    found.set_style([torch.rand(1, 3, 96, 96)])
    return found


@pytest.fixture
def portraits(photo: Image.Image, tmp_path: Path) -> tuple[Path, Path]:
    """Crops of a real photo, with discs as mattes; one photo has none, one matte another size.

    Half of the mattes are as `fastnst matte` writes them, one is a cut-out whose transparent pixels are white.
    """
    photos, mattes = tmp_path / "portraits", tmp_path / "portraits-mattes"
    photos.mkdir()
    mattes.mkdir()
    y, x = np.mgrid[0:160, 0:140]
    disc = Image.fromarray((255 * ((x - 70) ** 2 + (y - 80) ** 2 < 50**2)).astype(np.uint8))
    for number in range(6):
        photo.crop((40 * number, 30 * number, 40 * number + 140, 30 * number + 160)).save(photos / f"{number}.jpg")
        disc.save(mattes / (f"{number}.png" if number % 2 else f"{number}_alpha.png"))
    cutout = Image.new("RGB", disc.size, "white")
    cutout.putalpha(disc)
    cutout.save(mattes / "3.png")
    photo.save(photos / "without.jpg")
    disc.resize((20, 20)).save(mattes / "0_alpha.png")
    return photos, mattes


def test_plain_weights_give_the_plain_content_term(objective: Objective) -> None:
    photo, image, matte = torch.rand(2, 3, 96, 96), torch.rand(2, 3, 96, 96), torch.rand(2, 1, 96, 96)
    target = objective.content_target(photo)
    terms, regions = matte_terms(objective, image, target, matte, MatteWeights())
    plain = objective(image, target)
    torch.testing.assert_close(terms["content"], plain["content"])
    torch.testing.assert_close(regions["inside"]["content"] + regions["outside"]["content"], plain["content"])
    torch.testing.assert_close(terms.total, terms["content"] + 10 * terms["style"] + terms["tv"])


def test_of_a_region_that_is_not_there_nothing_is_asked(objective: Objective) -> None:
    """A photo without people, whose matte is nearly empty, is measured as a photo without a matte."""
    photo, image = torch.rand(2, 3, 96, 96), torch.rand(2, 3, 96, 96)
    matte = torch.zeros(2, 1, 96, 96)
    matte[:, :, :4, :8] = 0.9  # a matte's noise
    matte[1, :, 48:] = 1  # and a person
    target = objective.content_target(photo)
    terms, regions = matte_terms(objective, image, target, matte, MatteWeights(style_inside=5.0))
    plain = objective(image, target)
    assert float(terms["style"][0]) == pytest.approx(float(plain["style"][0]), rel=0.02)
    inside, outside = (regions[region]["style"][1] for region in ("inside", "outside"))
    assert float(terms["style"][1]) == pytest.approx(float(5 * inside + outside))


def test_weights_pull_where_they_should(objective: Objective) -> None:
    photo, image = torch.rand(1, 3, 96, 96), torch.rand(1, 3, 96, 96).requires_grad_()
    matte = torch.zeros(1, 1, 96, 96)
    matte[..., :32, :] = 1
    only_inside = MatteWeights(content_outside=0.0, style_inside=0.0, style_outside=0.0)
    terms, _ = matte_terms(objective, image, objective.content_target(photo), matte, only_inside)
    (terms["content"].sum()).backward()
    assert image.grad is not None
    top, bottom = (float(part.abs().mean()) for part in (image.grad[..., :16, :], image.grad[..., 80:, :]))
    assert top > 100 * bottom  # AlexNet's receptive field reaches a little beyond the matte


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="content_inside"):
        MatteWeights(content_inside=-1).validate()


def test_crops_carry_their_mattes(portraits: tuple[Path, Path]) -> None:
    data = PhotoData(str(portraits[0]), mattes=str(portraits[1]), image_size=64, batch_size=2, workers=0)
    data.trainer = None
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.shape == (2, 4, 64, 64)
    matte = batch[:, 3].float()
    assert 0.1 < float((matte > 200).float().mean()) < 0.9
    assert float(((matte > 5) & (matte < 250)).float().mean()) < 0.2  # resized, not mixed with colours
    assert len(data.val_dataset) == 1


def test_mattes_are_the_same_whatever_their_files(portraits: tuple[Path, Path]) -> None:
    source = PortraitSource(*portraits)
    assert len(source) == 6  # one photo has none
    with pytest.raises(ImageError, match="has 20×20 pixels, its photo 140×160"):
        source.open(0)
    mattes = [np.asarray(source.open(index))[..., 3] for index in range(1, 6)]
    assert all(np.array_equal(matte, mattes[0]) for matte in mattes)
    assert 0.2 < mattes[0].mean() / 255 < 0.5  # a cut-out's white ground does not count


def test_a_photo_with_two_mattes_is_an_error(portraits: tuple[Path, Path]) -> None:
    Image.new("L", (140, 160)).save(portraits[1] / "1_alpha.png")
    with pytest.raises(ConfigError, match=r"1\.jpg has 2 mattes, .*: keep one of them"):
        PortraitSource(*portraits)


def test_missing_mattes_are_named(portraits: tuple[Path, Path], tmp_path: Path) -> None:
    (portraits[0].parent / "other").mkdir()
    Image.new("L", (9, 9)).save(portraits[0].parent / "other" / "x.png")
    for folder, message in (
        (tmp_path / "nowhere", "does not exist"),
        (portraits[0].parent / "other", "has a photo's name"),
    ):
        data = PhotoData(str(portraits[0]), mattes=str(folder), image_size=64)
        with pytest.raises(ConfigError, match=message):
            data.setup("fit")
    with pytest.raises(ConfigError, match="val_mattes"):
        PhotoData(str(portraits[0]), val_photos=str(portraits[0]), mattes=str(portraits[1]))


@pytest.mark.slow
def test_a_portrait_and_temporal_training_from_a_shipped_file(
    materials: Path,
    portraits: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    plain = train(materials, tmp_path / "runs", "plain", 1)
    model = tmp_path / "plain.onnx"
    assert cli.main(["export", str(plain / "plain.safetensors"), "-o", str(model)]) == 0
    options = ["--init", str(model), "--data.mattes", str(portraits[1]), "--model.objective.temporal_weight", "2"]
    options += ["--model.mattes.content_inside", "3"]
    command = arguments(materials, tmp_path / "runs", "portrait", 2, *options)
    command[command.index("--photos") + 1] = str(portraits[0])
    assert cli.run("fastnst.commands.train", command, "train.py") == 0
    _, metadata = load_network(tmp_path / "runs" / "portrait" / "version_0" / "portrait.safetensors")
    assert isinstance(metadata, StyleMetadata)
    assert metadata.steps == 3
    assert metadata.loss_weights["mattes"]["content_inside"] == 3
    assert metadata.loss_weights["temporal_weight"] == 2


@pytest.mark.slow
def test_a_style_model_file_gives_its_network_back(materials: Path, tmp_path: Path) -> None:
    run = train(materials, tmp_path / "runs", "back", 1)
    model = tmp_path / "back.onnx"
    assert cli.main(["export", str(run / "back.safetensors"), "-o", str(model)]) == 0
    (first, _), (second, _) = load_network(run / "back.safetensors"), load_network(model)
    for name, tensor in first.state_dict().items():
        # The file has half precision, and filters come back from mixtures of it.
        torch.testing.assert_close(second.state_dict()[name], tensor, rtol=0, atol=2**-8 * float(tensor.abs().max()))
