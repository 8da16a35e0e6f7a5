"""The distillation: twice differentiable convolutions, read-outs, the pool, and a run of the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from fastnst.cli import main
from fastnst.distillation.initialization import (
    informative_channels,
    least_squares,
    start_from_network,
    start_from_teacher,
)
from fastnst.distillation.losses import (
    STYLE_TAPS,
    feature_error,
    goal,
    gradient_agreement,
    gram_error,
    relative_terms,
    thin,
)
from fastnst.distillation.replay import Pool, batch_of
from fastnst.distillation.student import Student, TwiceDifferentiableConv, mix_channels
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.statistics import gram_matrix
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.perceptual.architectures import ARCHITECTURES, TORCHVISION, vgg_layers
from fastnst.perceptual.network import PerceptualNetwork


@pytest.fixture
def teacher() -> PerceptualNetwork:
    torch.manual_seed(1)
    return PerceptualNetwork(vgg_layers(((32,) * 2, (64,) * 2, (128,) * 4, (256,) * 4, (256,))), TORCHVISION)


def test_convolution_equals_torchs_in_value_gradient_and_second_derivative() -> None:
    torch.manual_seed(0)
    ours = TwiceDifferentiableConv(3, 5).double()
    assert ours.bias is not None
    results = []
    for convolve in (ours, lambda x: F.conv2d(x, ours.weight, ours.bias, padding=1)):
        x = torch.linspace(-1, 1, 2 * 3 * 7 * 6, dtype=torch.float64).view(2, 3, 7, 6).requires_grad_()
        y = convolve(x)
        (first,) = torch.autograd.grad(torch.relu(y).pow(3).sum(), x, create_graph=True)
        second = torch.autograd.grad(first.square().sum(), [x, ours.weight, ours.bias])
        results.append([y, first, *second])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_read_outs_keep_the_distances_of_the_projected_features(teacher: PerceptualNetwork) -> None:
    student = Student(teacher)
    a, b = (student.features(torch.rand(1, 3, 32, 32)) for _ in range(2))
    read, projected = ([convert(one) for one in (a, b)] for convert in (student.read, student.project))
    for tap in STYLE_TAPS:
        for measure in (lambda f: f, gram_matrix):
            ours = (measure(read[0][tap]) - measure(read[1][tap])).norm()
            theirs = (measure(projected[0][tap]) - measure(projected[1][tap])).norm()
            assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=2e-3)


def test_the_finished_network_reads_what_the_student_reads(teacher: PerceptualNetwork) -> None:
    student = Student(teacher)
    image = torch.rand(1, 3, 48, 40)
    read = student.read(student.features(image))
    for tap, found in student.finished().features(image, student.taps).items():
        torch.testing.assert_close(found, read[tap], rtol=1e-3, atol=1e-4)


def test_calibration_puts_projections_in_the_teachers_unit(teacher: PerceptualNetwork) -> None:
    student = Student(teacher)
    features = teacher.features(torch.rand(1, 3, 32, 32), student.taps)
    before = student.project(student.features(torch.rand(1, 3, 32, 32)))["relu1_1"]
    torch.manual_seed(0)
    student.calibrate({tap: 100 * found for tap, found in features.items()})
    after = student.projection("relu1_1") / student.projections["relu1_1"]
    assert float(after.detach().mean()) == pytest.approx(
        100 * float(features["relu1_1"].square().mean().sqrt()), rel=1e-4
    )
    assert before.shape[1] == teacher.channels("relu1_1")


def test_relative_terms_are_the_objectives(teacher: PerceptualNetwork) -> None:
    photo, painting, picture = (torch.rand(1, 3, 48, 48) for _ in range(3))
    taps = Student(teacher).taps
    aim = goal(teacher.features(photo, taps), teacher.features(painting, taps))
    terms = relative_terms(teacher.features(picture, taps), aim)[0]
    objective = Objective(teacher, ObjectiveConfig())
    objective.set_style([painting])
    expected = objective(picture, objective.content_target(photo))
    assert float(terms[0]) == pytest.approx(float(expected["content"]), rel=1e-5)
    assert float(terms[1:].mean()) == pytest.approx(float(expected["style"]), rel=1e-5)


def test_feature_error_of_a_perfect_student_is_zero_and_of_nothing_one(teacher: PerceptualNetwork) -> None:
    features = teacher.features(torch.rand(1, 3, 100, 100), ["relu1_1", "relu4_1"])
    zero = {tap: torch.zeros_like(found) for tap, found in features.items()}
    for offset in (0, 1):
        assert all(float(error) == 0 for error in feature_error(thin(features, offset), features, offset).values())
        assert all(
            float(error) == pytest.approx(1) for error in feature_error(thin(zero, offset), features, offset).values()
        )
    assert thin(features)["relu1_1"].shape[-1] == 50


def test_gradient_agreement_is_the_cosine() -> None:
    gradient = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(gradient_agreement(gradient, 3 * gradient), torch.ones(2))
    torch.testing.assert_close(gradient_agreement(gradient, -gradient), -torch.ones(2))


def test_mix_channels_is_a_1x1_convolution() -> None:
    features, matrix = torch.randn(2, 4, 5, 3), torch.randn(6, 4)
    torch.testing.assert_close(mix_channels(features, matrix), F.conv2d(features, matrix[:, :, None, None]))


def test_pool_moves_down_the_gradient_in_turn_and_renews_itself(teacher: PerceptualNetwork) -> None:
    pool = Pool(6, seed=0)
    photos, paintings = torch.rand(6, 3, 16, 16), torch.rand(6, 3, 16, 16)
    taps = Student(teacher).taps
    aims = goal(teacher.features(photos, taps), teacher.features(paintings, taps))
    pool.renew(photos, paintings, aims)
    assert len(pool.pictures) == 6
    drawn = pool.draw(4)
    before = [picture.pixels.clone() for picture in drawn]
    pool.advance(drawn, torch.ones(4, 3, 16, 16))
    for picture, old in zip(drawn, before, strict=True):
        assert float((picture.pixels - old).mean()) < 0
        assert float((picture.pixels - old).min()) == pytest.approx(-0.02, rel=1e-3)  # Adam's first step is the rate
    assert {id(picture) for picture in pool.draw(4)} != {id(picture) for picture in drawn}
    pixels, _, _, weights, aim = batch_of(drawn)
    assert pixels.shape == (4, 3, 16, 16)
    assert weights.shape == (4, 6)
    torch.testing.assert_close(aim.grams["relu3_1"][2], aims.grams["relu3_1"][2])
    for picture in pool.pictures:
        picture.age = picture.life
    pool.renew(photos[:2], paintings[:2], aims)
    assert len(pool.pictures) == 2


def test_gram_error_sees_through_the_projections(teacher: PerceptualNetwork) -> None:
    student = Student(teacher)
    images = torch.rand(2, 3, 48, 48)
    found = student.features(images)
    assert float(gram_error(found, student.project(found), student).detach()) == pytest.approx(0, abs=2e-3)
    assert float(gram_error(found, teacher.features(images, student.taps), student).detach()) > 0.01


def test_the_most_informative_channels_span_the_rest() -> None:
    base = torch.rand(1, 3, 40, 40)
    mixed = torch.cat([base[:, :1] * 0.1, base, base[:, 1:2] + base[:, 2:3]], dim=1)  # 5 channels of rank 3
    chosen = informative_channels(mixed, 3)
    rows = mixed[0].flatten(1).T
    rebuilt = rows[:, chosen] @ least_squares(rows[:, chosen], rows)
    assert float((rebuilt - rows).norm() / rows.norm()) < 0.05


@pytest.mark.slow
def test_a_start_from_the_teacher_is_far_better_than_a_random_one(
    photo: Image.Image, teacher: PerceptualNetwork
) -> None:
    pixels = torch.from_numpy(np.array(photo.resize((192, 192)))).permute(2, 0, 1).float() / 255
    images = torch.stack([pixels[:, y : y + 96, x : x + 96] for y in (0, 48, 96) for x in (0, 48, 96)])
    student = Student(teacher)

    def error() -> float:
        with torch.no_grad():
            errors = feature_error(
                student.project(thin(student.features(images))), teacher.features(images, student.taps)
            )
        return float(torch.stack(list(errors.values())).mean())

    random = error()
    start_from_teacher(student, teacher, images)
    fitted = error()
    assert fitted < 0.3 * random
    again = Student(teacher)
    start_from_network(again, teacher, images, student.finished())
    student = again
    assert error() == pytest.approx(fitted, abs=0.05)


def _folder(folder: Path, count: int, photo: Image.Image) -> Path:
    folder.mkdir()
    for index in range(count):
        photo.crop((20 * index, 30 * index, 20 * index + 200, 30 * index + 220)).save(folder / f"{index}.jpg")
    return folder


@pytest.mark.slow
def test_distill_writes_a_network_that_judges(
    photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    small = vgg_layers(((32,) * 2, (64,) * 2, (128,) * 4, (256,) * 4, (256,) * 4))
    monkeypatch.setitem(ARCHITECTURES, "vgg19", small)
    random = PerceptualNetwork(small, TORCHVISION)
    state = {}
    for layer, spec in random.layers:
        if layer.startswith("conv"):
            convolution = random.convolutions[layer]
            state[f"features.{spec.index}.weight"] = convolution.weight.contiguous()  # type: ignore[union-attr]
            state[f"features.{spec.index}.bias"] = convolution.bias  # type: ignore[union-attr]
    save_file(state, tmp_path / "teacher.safetensors")
    photos, paintings = _folder(tmp_path / "photos", 5, photo), _folder(tmp_path / "paintings", 5, photo)
    arguments = [
        "distill", "--photos", str(photos), "--paintings", str(paintings), "--steps", "3",
        "--perceptual-weights", str(tmp_path / "teacher.safetensors"), "--data.image_size", "64",
        "--data.batch_size", "2", "--data.workers", "0", "--model.pool_from", "0.3",
        "--model.gradients_from", "0.6", "--model.pictures", "2",
        "--checkpoint_every", "2", "--trainer.val_check_interval", "3",
        "--trainer.default_root_dir", str(tmp_path / "runs"), "--trainer.precision", "32-true",
    ]  # fmt: skip
    assert main(arguments) == 0
    run = tmp_path / "runs" / "slim" / "version_0"
    network = build_perceptual(PerceptualConfig("slim", weights_file=str(run / "slim.safetensors")))
    objective = Objective(network, ObjectiveConfig())
    painting = torch.from_numpy(np.array(photo.crop((0, 0, 96, 96)))).permute(2, 0, 1)[None] / 255
    objective.set_style([painting])
    assert float(objective(painting, objective.content_target(painting)).total) == pytest.approx(0, abs=1e-4)
    resumed = [*arguments, "--ckpt_path", str(run / "checkpoints" / "last.ckpt"), "--steps", "4"]
    assert main(resumed) == 0
    assert (tmp_path / "runs" / "slim" / "version_1" / "slim.safetensors").is_file()


def test_distill_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["distill", "--photos", str(tmp_path / "empty"), "--steps", "1"]) == 2
    assert "paintings" in capsys.readouterr().err


def test_a_missing_folder_is_named_before_the_teacher_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", "http://127.0.0.1:9")
    assert main(["distill", "--photos", str(tmp_path), "--paintings", str(tmp_path / "nowhere")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_the_shipped_recipe_is_valid() -> None:
    recipe = Path(__file__).parents[1] / "configs" / "distillation" / "slim.yaml"
    assert main(["distill", "--config", str(recipe), "--photos", "x", "--paintings", "y", "--print_config"]) == 0
