"""Several styles in one run: each learns what its own training would teach it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fastnst import cli
from fastnst.checkpoints import load_network
from fastnst.errors import ConfigError
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.losses.term import NetworkPass
from fastnst.networks import build_network
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.trainer.optimizers import build_joint_optimizer, build_optimizer
from fastnst.training.recorded_step import RecordedStep
from fastnst.training.side_by_side import check_alike, measure_together

_RECIPE = """\
name: {name}
painting: [painting.jpg]
perceptual: slim
model:
  optimizer: muon
  learning_rate: 1.0e-2
  style_size: {size}
  network: {{options: {{width: 32, blocks: 1}}}}
  objective: {{style_weight: {weight}, periodicity_weight: 2000.0{more}}}
"""


def recipes(folder: Path) -> list[str]:
    """Two styles, of different terms, weights and sizes of one painting."""
    found = []
    for name, size, weight, more in (("fine", 64, 4.0, ""), ("broad", 96, 9.0, ", laplacian_weight: 0.3")):
        path = folder / f"{name}.yaml"
        path.write_text(_RECIPE.format(name=name, size=size, weight=weight, more=more))
        found.append(str(path))
    return found


def train(materials: Path, out: Path, styles: list[str], steps: int, *more: str) -> int:
    return cli.run(
        "fastnst.commands.train",
        [
            "--styles", *styles, "--paintings", str(materials), "--photos", str(materials / "photos"),
            "--data.image_size", "64", "--data.batch_size", "2", "--data.workers", "0", "--data.val_limit", "2",
            "--trainer.default_root_dir", str(out), "--trainer.precision", "32-true", "--trainer.accelerator", "cpu",
            "--trainer.val_check_interval", "2", "--checkpoint_every", "2", "--steps", str(steps), *more,
        ],
        "fastnst train",
    )  # fmt: skip


def weights(path: Path) -> np.ndarray:
    network, _ = load_network(path)
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in network.parameters()])


def test_together_is_what_each_alone_is(photo: Image.Image) -> None:
    torch.manual_seed(0)
    pixels = torch.from_numpy(np.array(photo.resize((128, 64)))).permute(2, 0, 1)[None].float() / 255
    photos, painting = torch.cat([pixels[..., :64], pixels[..., 64:]]), pixels[..., 32:96].flip(1)
    perceptual = build_perceptual(PerceptualConfig("slim", padding="replicate"))
    configs = [ObjectiveConfig(style_weight=weight, tv_weight=1.0, periodicity_weight=2000.0) for weight in (3.0, 8.0)]
    objectives = [Objective(perceptual, config) for config in configs]
    networks = [build_network("swift", width=32, blocks=1) for _ in configs]
    for objective in objectives:
        objective.set_style([painting])
    together = measure_together(networks, objectives, photos, seed=0, reduced=False)
    torch.stack([terms.total for terms in together]).sum().backward()
    for network, objective, terms in zip(networks, objectives, together, strict=True):
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        network.zero_grad()
        restyled = network(photos)
        alone = objective.with_network(
            objective(restyled, objective.content_target(photos)).mean(), restyled, NetworkPass(network, photos, 4)
        )
        alone.total.backward()
        assert terms.floats() == pytest.approx(alone.floats(), rel=1e-4)
        for mine, own in zip(gradients, network.parameters(), strict=True):
            torch.testing.assert_close(mine, own.grad, rtol=1e-3, atol=1e-6)


def test_one_optimizer_moves_several_networks_as_their_own_do() -> None:
    torch.manual_seed(0)
    networks = [build_network("swift", width=32, blocks=2) for _ in range(2)]
    copies = [build_network("swift", width=32, blocks=2) for _ in range(2)]
    for network, its_copy in zip(networks, copies, strict=True):
        its_copy.load_state_dict(network.state_dict())
    joint = build_joint_optimizer("muon", list(zip(networks, (1e-2, 5e-3), strict=True)))
    own = [build_optimizer("muon", one, rate) for one, rate in zip(copies, (1e-2, 5e-3), strict=True)]
    for _ in range(3):
        for network, its_copy in zip(networks, copies, strict=True):
            for mine, other in zip(network.parameters(), its_copy.parameters(), strict=True):
                mine.grad = torch.randn_like(mine)
                other.grad = mine.grad.clone()
        joint.step()
        for one in own:
            one.step()
    for network, its_copy in zip(networks, copies, strict=True):
        for mine, other in zip(network.parameters(), its_copy.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(materials: Path, tmp_path: Path) -> None:
    styles = recipes(tmp_path)
    assert train(materials, tmp_path / "whole", styles, 4) == 0
    whole = tmp_path / "whole" / "styles" / "version_0"
    assert (whole / "fine" / "previews" / "step_000004.jpg").is_file()
    checkpoint = str(whole / "checkpoints" / "000002.ckpt")
    assert train(materials, tmp_path / "parts", styles, 4, "--ckpt_path", checkpoint) == 0
    for name in ("fine", "broad"):
        ended = tmp_path / "parts" / "styles" / "version_0" / f"{name}.safetensors"
        assert np.array_equal(weights(ended), weights(whole / f"{name}.safetensors"))
        assert load_network(ended)[1].steps == 4
    assert train(materials, tmp_path / "other", styles[::-1], 4, "--ckpt_path", checkpoint) == 2


def test_one_that_goes_bad_comes_back_alone(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fastnst.training.several_styles import StylesTraining

    once = StylesTraining.training_step

    def poisoned(self: StylesTraining, photos: torch.Tensor, index: int) -> None:
        once(self, photos, index)
        if index == 2:
            with torch.no_grad():
                next(self.trainings[1].network.parameters()).fill_(float("nan"))

    monkeypatch.setattr(StylesTraining, "training_step", poisoned)
    assert train(materials, tmp_path, recipes(tmp_path), 4) == 0
    run = tmp_path / "styles" / "version_0"
    assert np.isfinite(weights(run / "broad.safetensors")).all()
    assert [load_network(run / f"{name}.safetensors")[1].steps for name in ("fine", "broad")] == [4, 3]


def test_styles_that_do_not_go_together_are_refused(
    materials: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = recipes(tmp_path)
    for text, told in (
        (Path(second).read_text() + "  warmup: 0.5\n", "the same optimizer, schedule"),
        (Path(second).read_text().replace("broad", "fine"), "two recipes are of a style fine"),
        (Path(second).read_text().replace("painting.jpg", "none.jpg"), "none.jpg"),
        (Path(second).read_text() + "  nonsense: 1\n", "nonsense"),
        (Path(second).read_text().replace("name: broad", "name: ../broad"), "cannot be a folder's"),
        (Path(second).read_text().replace("name: broad", "name: [broad]"), "must have a text as its name"),
        (Path(second).read_text().replace("[painting.jpg]", "7"), "must name files as its painting"),
        ("name: broad\nmodel: 3\n", "under 'model'"),
    ):
        Path(second).write_text(text)
        assert train(materials, tmp_path / "runs", [first, second], 2) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "runs").exists()
        recipes(tmp_path)
    slim = PerceptualConfig("slim")
    with pytest.raises(ConfigError, match="the same perceptual network"):
        check_alike([Objective(build_perceptual(slim)), Objective(build_perceptual(slim))])


class _GraphStandIn:
    """Replays a step as a CUDA graph does: gradients come to where they were at the recording, whatever `grad` says."""

    def __init__(self, step: RecordedStep) -> None:
        self.step = step

    def replay(self) -> None:
        held = [parameter.grad for parameter in self.step._parameters]
        for parameter in self.step._parameters:
            parameter.grad = None
        self.step._found.copy_(self.step._function(self.step._batch))
        for parameter, place, before in zip(self.step._parameters, self.step._gradients, held, strict=True):
            assert place is not None
            assert parameter.grad is not None
            place.copy_(parameter.grad)
            parameter.grad = before


class _RecordedHere(RecordedStep):
    """Recorded on a CPU too."""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        parameters: Sequence[nn.Parameter],
        example: Tensor,
        *,
        records: bool = True,
    ) -> None:
        super().__init__(function, parameters, example, records=False)
        if records:
            self._batch = example.clone()
            self._forget_gradients()
            self._found = function(self._batch)
            self._gradients = [parameter.grad for parameter in self._parameters]
            self._graph = _GraphStandIn(self)  # type: ignore[assignment]


@pytest.mark.slow
def test_recorded_steps_train_after_a_validation_too(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(materials, tmp_path / "plain", recipes(tmp_path), 5) == 0  # Lightning forgets gradients after step 2
    monkeypatch.setattr("fastnst.training.several_styles.RecordedStep", _RecordedHere)
    assert train(materials, tmp_path / "recorded", recipes(tmp_path), 5) == 0
    for name in ("fine", "broad"):
        plain, recorded = (
            tmp_path / run / "styles" / "version_0" / f"{name}.safetensors" for run in ("plain", "recorded")
        )
        assert np.array_equal(weights(plain), weights(recorded))


def test_a_recipe_of_one_style_is_one_of_several() -> None:
    from fastnst.commands.train_styles import settings_of_all

    content = {
        "steps": 3,
        "model": {"style_size": 64, "paintings": "here", "settings": {"style_size": 96}, "warmup_perceptual": {}},
    }
    settings_of_all(content)
    assert content == {
        "steps": 3,
        "model": {"paintings": "here", "settings": {"style_size": 96, "warmup_perceptual": {}}},
    }
    settings_of_all({"model": 3})  # refused later, in a sentence
