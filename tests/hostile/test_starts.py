"""Predictors and states of starts that were made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from fastnst.commands.train_start import main as train_start
from fastnst.errors import ImageError, ModelError
from fastnst.networks.affines import affines, fingerprint
from fastnst.networks.base import StyleNetwork
from fastnst.start.predictor import AffinePredictor, guess_style

OPTIONS = {"width": 32, "blocks": 1}


def bad(name: str, tensor: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.update({name: tensor})


@pytest.mark.parametrize(
    "change",
    [
        bad("centre", torch.zeros(())),
        bad("centre", torch.zeros(2, 2)),
        bad("centre", torch.zeros(1)),
        bad("base", torch.zeros(3)),
        lambda state: state["base"].fill_(float("nan")),
        lambda state: state.update(base=state["base"].to(torch.complex64)),
        lambda state: state.pop("scale"),
        lambda state: state.update({"centre": torch.zeros(300_000), "layers.0.bias": torch.zeros(300_000)}),  # 360 GB
        bad("layers.0.bias", torch.zeros(0)),
    ],
)
def test_predictors_made_by_hand(change: Callable[[dict[str, Tensor]], None], network: StyleNetwork, tmp_path: Path):
    predictor = AffinePredictor(1488, affines(network), hidden=4)
    state = {name: tensor.clone() for name, tensor in predictor.state_dict().items()}
    about = {"fastnst.predictor": json.dumps({"format": 1, "network": fingerprint(network)})}
    painting = torch.rand(1, 3, 64, 64)
    save_file(state, tmp_path / "good.safetensors", about)
    guess_style(network, [painting], path=tmp_path / "good.safetensors")
    change(state)
    save_file(state, tmp_path / "bad.safetensors", about)
    with pytest.raises(ModelError, match="not a predictor of affines, or it is damaged"):
        guess_style(network, [painting], path=tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    "about", ["[" * 100_000, "[1]", "null", '{"format": 1}', f'{{"format": 1, "x": {"1" * 5000}}}']
)
def test_what_a_predictor_says_of_itself(about: str, network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    save_file(AffinePredictor(8, affines(network), hidden=4).state_dict(), path, {"fastnst.predictor": about})
    with pytest.raises(ModelError, match="not a predictor of affines, or it is damaged"):
        guess_style(network, [torch.rand(1, 3, 64, 64)], path=path)


def test_a_predictor_of_another_description_of_paintings(network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    about = {"fastnst.predictor": json.dumps({"format": 1, "network": fingerprint(network)})}
    save_file(AffinePredictor(10, affines(network), hidden=4).state_dict(), path, about)
    with pytest.raises(ModelError, match="by 10 numbers instead of 1488"):
        guess_style(network, [torch.rand(1, 3, 64, 64)], path=path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "state",
    [
        "[" * 100_000,
        "[1]",
        '{"done": -5, "seconds": 1}',
        '{"done": Infinity, "seconds": 1}',
        '{"done": 0, "seconds": NaN}',
    ],
)
def test_states_that_no_start_has_left(state: str, network: StyleNetwork, tmp_path: Path) -> None:
    for kind in ("paintings", "photos"):
        (tmp_path / kind).mkdir()
        Image.linear_gradient("L").convert("RGB").save(tmp_path / kind / "one.png")
    (tmp_path / "out").mkdir()
    save_file(network.state_dict(), tmp_path / "out" / "state.safetensors", {"state": state})
    argv = ["--paintings", str(tmp_path / "paintings"), "--photos", str(tmp_path / "photos"), "--resume"]
    argv += ["--output", str(tmp_path / "out"), "--network.options", json.dumps(OPTIONS)]
    with pytest.raises(ModelError, match="is not the state of such a start, or it is damaged"):
        train_start(argv)


@pytest.mark.slow
def test_pictures_that_cannot_be_read_leave_nothing_behind(tmp_path: Path) -> None:
    for kind in ("paintings", "photos"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "one.png").write_text("no picture")
    argv = ["--paintings", str(tmp_path / "paintings"), "--photos", str(tmp_path / "photos")]
    argv += ["--output", str(tmp_path / "out"), "--network.options", json.dumps(OPTIONS)]
    with pytest.raises(ImageError, match="is not a picture"):
        train_start(argv)
    assert not (tmp_path / "out").exists()
