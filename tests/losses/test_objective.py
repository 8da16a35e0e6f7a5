from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.losses.config import NORMALIZATIONS, ObjectiveConfig, objective_config
from fastnst.losses.objective import LossTerms, Objective
from fastnst.losses.style import StyleTerm
from fastnst.perceptual.architectures import TORCHVISION, ConvSpec
from fastnst.perceptual.network import PerceptualNetwork

LAYERS = (
    ("conv1_1", ConvSpec(6, 3, 1, 1, 0)),
    ("relu1_1", None),
    ("pool1", (2, 2)),
    ("conv2_1", ConvSpec(8, 3, 1, 1, 3)),
    ("relu2_1", None),
)


@pytest.fixture
def perceptual() -> PerceptualNetwork:
    torch.manual_seed(0)
    return PerceptualNetwork(LAYERS, TORCHVISION)


def config(**changes: object) -> ObjectiveConfig:
    options: dict[str, object] = {"content_layers": ["relu2_1"], "style_layers": ["conv1_1", "relu2_1"]}
    return ObjectiveConfig(**(options | changes))  # type: ignore[arg-type]


def measure(objective: Objective, image: Tensor, photo: Tensor, **masks: Tensor) -> LossTerms:
    return objective(image, objective.content_target(photo), masks=masks)


def style_term(objective: Objective) -> StyleTerm:
    term = objective.terms["style"]
    assert isinstance(term, StyleTerm)
    return term


def slow_terms(perceptual: PerceptualNetwork, image: Tensor, photo: Tensor, painting: Tensor, form: str):
    """The formulas of the docstring in loops, for content relu2_1 and style conv1_1 (weight 1), relu2_1 (weight 3)."""
    mine = perceptual.features(image, ["conv1_1", "relu2_1"])
    target = perceptual.features(photo, ["relu2_1"])["relu2_1"]
    style = perceptual.features(painting, ["conv1_1", "relu2_1"])
    difference = mine["relu2_1"] - target
    content = {
        "relative": difference.pow(2).sum() / target.pow(2).sum(),
        "gatys": difference.pow(2).sum() / 2,
        "mean": difference.pow(2).mean(),
        "sum": difference.pow(2).sum(),
        "chw": difference.pow(2).mean(),
    }[form]
    total = torch.zeros(())
    for layer, weight in (("conv1_1", 1.0), ("relu2_1", 3.0)):
        grams = []
        for features in (mine[layer], style[layer]):
            channels, positions = features.shape[1], features.shape[2] * features.shape[3]
            gram = torch.zeros(channels, channels)
            for i in range(channels):
                for j in range(channels):
                    gram[i, j] = (features[0, i] * features[0, j]).sum() / positions
            grams.append(gram)
        squares = (grams[0] - grams[1]).pow(2)
        channels, positions = mine[layer].shape[1], mine[layer].shape[2] * mine[layer].shape[3]
        term = {
            "relative": squares.sum() / grams[1].pow(2).sum(),
            "gatys": squares.sum() / (4 * channels**2),
            "mean": squares.mean() / channels**2,
            "sum": squares.sum(),
            "chw": squares.mean() * positions**2 / (channels * positions),
        }[form]
        total = total + term * (weight / 4 if form in ("relative", "gatys") else weight)
    return content, total


@pytest.mark.parametrize("form", NORMALIZATIONS)
def test_terms_equal_the_slow_formula(perceptual: PerceptualNetwork, form: str) -> None:
    image, photo, painting = torch.rand(1, 3, 24, 20), torch.rand(1, 3, 24, 20), torch.rand(1, 3, 17, 31)
    objective = Objective(perceptual, config(normalization=form, style_layer_weights=[1.0, 3.0], tv_weight=0.5))
    objective.set_style([painting])
    terms = measure(objective, image, photo)
    content, style = slow_terms(perceptual, image, photo, painting, form)
    assert terms["content"].item() == pytest.approx(content.item(), rel=1e-4)
    assert terms["style"].item() == pytest.approx(style.item(), rel=1e-4)
    weighted = terms["content"] + 10 * terms["style"] + 0.5 * terms["tv"]
    assert terms.total.item() == pytest.approx(weighted.item(), rel=1e-6)


def test_the_photo_has_no_content_loss_and_the_painting_no_style_loss(perceptual: PerceptualNetwork) -> None:
    photo, painting = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 24)
    objective = Objective(perceptual, config())
    objective.set_style([painting])
    assert measure(objective, photo, photo)["content"].item() == 0
    assert measure(objective, painting, painting)["style"].item() < 1e-10


def test_a_black_picture_is_as_wrong_as_can_be_in_relative_terms(perceptual: PerceptualNetwork) -> None:
    """‖0 − Fc‖² / ‖Fc‖² = 1 when all features vanish."""
    for convolution in perceptual.convolutions.values():
        convolution.bias.zero_()
    perceptual._shift.zero_()
    objective = Objective(perceptual, config())
    objective.set_style([torch.rand(1, 3, 16, 16)])
    terms = measure(objective, torch.zeros(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
    assert terms["content"].item() == pytest.approx(1)
    assert terms["style"].item() == pytest.approx(1)


def test_relative_terms_do_not_change_with_the_scale_of_the_features(perceptual: PerceptualNetwork) -> None:
    image, photo, painting = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    values = []
    for scale in (1.0, 50.0):
        with torch.no_grad():
            perceptual.convolutions["conv1_1"].weight.mul_(scale)
            perceptual.convolutions["conv1_1"].bias.mul_(scale)
            perceptual.convolutions["conv2_1"].bias.mul_(scale)
        objective = Objective(perceptual, config())
        objective.set_style([painting])
        values.append(measure(objective, image, photo).total.item())
    assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_samples_of_a_batch_are_measured_alone(perceptual: PerceptualNetwork) -> None:
    images, photos = torch.rand(3, 3, 16, 16), torch.rand(3, 3, 16, 16)
    objective = Objective(perceptual, config())
    objective.set_style([torch.rand(1, 3, 20, 20)])
    together = measure(objective, images, photos).total
    alone = [measure(objective, images[i : i + 1], photos[i : i + 1]).total.item() for i in range(3)]
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def test_two_paintings_are_averaged_by_weight(perceptual: PerceptualNetwork) -> None:
    first, second = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 24, 20)
    objective = Objective(perceptual, config())
    targets = []
    for paintings, weights in (([first], None), ([second], None), ([first, second], [3.0, 1.0])):
        objective.set_style(paintings, weights)
        targets.append(style_term(objective).target("conv1_1").clone())
    assert torch.allclose(targets[2], 0.75 * targets[0] + 0.25 * targets[1], atol=1e-6)


def test_masks_weigh_positions(perceptual: PerceptualNetwork) -> None:
    photo = torch.rand(1, 3, 16, 32)
    image = photo.clone()
    image[..., 20:] = torch.rand(1, 3, 16, 12)  # far enough from the left half for two 3×3 layers and a pooling
    left = torch.zeros(1, 1, 16, 32)
    left[..., :16] = 1
    objective = Objective(perceptual, config())
    objective.set_style([photo], masks=[left])
    assert measure(objective, image, photo, content=left)["content"].item() == 0
    assert measure(objective, image, photo, content=1 - left)["content"].item() > 0
    assert measure(objective, image, photo, style=left)["style"].item() < 1e-8
    assert measure(objective, image, photo, style=1 - left)["style"].item() > 1e-4


def test_targets_stay_out_of_checkpoints(perceptual: PerceptualNetwork) -> None:
    objective = Objective(perceptual, config())
    objective.set_style([torch.rand(1, 3, 16, 16)])
    assert all(key.startswith("perceptual.convolutions") for key in objective.state_dict())


def test_gradients_survive_an_autocast_of_the_caller(perceptual: PerceptualNetwork) -> None:
    photo, painting = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    objective = Objective(perceptual, config())
    objective.set_style([painting])
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    plain = measure(objective, image, photo).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = measure(objective, image, photo).total
    assert cast.item() == plain.item()
    cast.sum().backward()
    assert torch.isfinite(image.grad).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_weight": -1.0}, "style_weight must be a finite number of at least 0, not -1"),
        ({"content_weight": float("nan")}, "content_weight must be a finite number"),
        ({"normalization": "realtive"}, "Did you mean 'relative'"),
        ({"statistic": "grams"}, "Did you mean 'gram'"),
        ({"normalization": "gatys", "statistic": "mean_std"}, "defined for the Gram statistic only"),
        ({"style_layer_weights": [1.0]}, "has 1 weights for 2 style layers"),
        ({"style_layer_weights": [0.0, 0.0]}, "are all zero"),
        ({"style_weight": 0.0, "content_weight": 0.0}, "nothing to optimize"),
        ({"style_layers": ["conv1_1", "conv1_1"]}, "names a layer twice"),
        ({"content_layers": ["relu9_1"]}, "has no layer 'relu9_1'"),
    ],
)
def test_meaningless_configurations_are_refused(
    perceptual: PerceptualNetwork, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Objective(perceptual, config(**changes))


@pytest.mark.parametrize(
    ("paintings", "weights", "message"),
    [
        ([], None, "at least one painting"),
        ([torch.rand(1, 3, 8, 8)], [0.0], "all zero"),
        ([torch.rand(1, 3, 8, 8)], [1.0, 2.0], "2 painting weights were given for 1"),
        ([torch.rand(1, 3, 1, 1)], None, "too small"),
    ],
)
def test_meaningless_styles_are_refused(perceptual: PerceptualNetwork, paintings, weights, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Objective(perceptual, config()).set_style(paintings, weights)


def test_without_a_style_it_says_so(perceptual: PerceptualNetwork) -> None:
    with pytest.raises(ConfigError, match="call set_style first"):
        measure(Objective(perceptual, config()), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


@pytest.mark.slow
def test_a_new_term_is_an_option_a_sum_and_a_region() -> None:
    """In an interpreter of its own, where the registry has one line more."""
    script = """
import json, sys
from pathlib import Path
text = Path("fastnst/losses/registry.py").read_text()
sys.path.insert(0, "tests")  # and not tests.losses: some packages install a `tests` of their own
line = '    "losses.brightness:BrightnessTerm",'
import types, fastnst.losses
module = types.ModuleType("fastnst.losses.registry")
module.__file__ = "fastnst/losses/registry.py"
sys.modules["fastnst.losses.registry"] = module
exec(compile(text.replace("_CLASSES = (", "_CLASSES = (" + chr(10) + line), module.__file__, "exec"), module.__dict__)
import torch
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.regions import MatteWeights, matte_terms
from fastnst.perceptual.architectures import ARCHITECTURES, TORCHVISION
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.reference.recipes import setting_options
network = PerceptualNetwork(ARCHITECTURES["alexnet"], TORCHVISION)
config = ObjectiveConfig(content_layers=["relu1"], style_layers=["relu1"], brightness_weight=3.0)
objective = Objective(network, config)
objective.set_style([torch.rand(1, 3, 64, 64)])
photo, image = torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.5)
target = objective.content_target(photo)
terms = objective(image, target).floats()
regions = matte_terms(objective, image, target, torch.full((1, 1, 64, 64), 0.5), MatteWeights(brightness_inside=2.0))
print(json.dumps({"terms": terms, "rest": terms["content"] + 10 * terms["style"],
    "inside": float(regions[0]["brightness"]), "option": setting_options()["brightness_weight"].about}))
"""
    root = Path(__file__).parents[2] if Path(__file__).parent.name == "losses" else Path(__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=False)
    assert found.returncode == 0, found.stderr
    numbers = json.loads(found.stdout)
    assert numbers["terms"]["brightness"] == pytest.approx(0.25)
    assert numbers["terms"]["total"] == pytest.approx(numbers["rest"] + 3 * 0.25, rel=1e-5)
    assert numbers["inside"] == pytest.approx(2 * 0.25 + 0.25)
    assert numbers["option"] == "weight of the brightness term."


def test_a_photo_without_a_matte_is_measured_as_background() -> None:
    trained = {"style_weight": 8.0, "laplacian_weight": 1.0}
    mattes = {"content_inside": 3.0, "style_inside": 0.3, "style_outside": 0.5, "laplacian_outside": 0.0}
    found = objective_config(trained | {"mattes": mattes}).weights
    assert (found["content"], found["style"], found["laplacian"]) == (1.0, 4.0, 0.0)
    for odd in ({"mattes": "odd"}, {"mattes": {"style_outside": "much"}}):
        assert objective_config(trained | odd) == objective_config(trained)
    assert objective_config({"style_weight": "8", "mattes": mattes}).style_weight == "8"  # which `validate` refuses


def test_keys_of_older_files_are_read() -> None:
    old = {
        "content_layers": ["relu2_1"],
        "style_weight": 8.0,
        "weave_weight": 2000.0,
        "temporal": 4.0,
        "padding": "zeros",
    }
    found = objective_config(old)
    known = {"content": 1.0, "style": 8.0, "tv": 0.0, "laplacian": 0.0, "periodicity": 2000.0, "temporal": 4.0}
    assert found.weights == known
    assert found.content_layers == ["relu2_1"]
    assert found.for_pictures().weights == found.weights | {"periodicity": 0.0, "temporal": 0.0}


def test_a_layer_is_read_raw_only_where_all_readers_allow_it(perceptual: PerceptualNetwork) -> None:
    assert Objective(perceptual, config()).read_out_later == {"conv1_1"}  # relu2_1 is a content layer too
    assert Objective(perceptual, config(statistic="mean_std")).read_out_later == frozenset()
