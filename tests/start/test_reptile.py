from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.checkpoints import load_network
from fastnst.commands.train_start import main
from fastnst.errors import ConfigError, ModelError, OutputError
from fastnst.output_files import locked_output
from fastnst.start.paintings import Paintings, in_colours_of, recoloured


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory, photo: Image.Image) -> Path:
    """Three paintings and two photos."""
    folder = tmp_path_factory.mktemp("start")
    for kind, count in (("paintings", 3), ("photos", 2)):
        (folder / kind).mkdir()
        for number in range(count):
            turned = photo.rotate(90 * number, expand=True).resize((120, 100))
            turned.save(folder / kind / f"{kind}{number}.png")
    return folder


def learn(materials: Path, output: Path, *more: str) -> None:
    main(
        [
            "--paintings", str(materials / "paintings"), "--photos", str(materials / "photos"),
            "--output", str(output), "--network.options", "{width: 32, blocks: 1}", "--style_size", "96",
            "--image_size", "64", "--tasks", "4", "--inner_steps", "2", "--save_every", "2", *more,
        ]
    )  # fmt: skip


def weights(folder: Path) -> np.ndarray:
    network, metadata = load_network(folder / "start.safetensors")
    assert metadata.name == "start"
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in network.parameters()])


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastnst.start.reptile import StartTraining

    learn(materials, tmp_path / "whole")
    once = StartTraining.learn

    def stops(self: StartTraining, number: int) -> list[dict[str, object]]:
        if number == 3:
            raise KeyboardInterrupt
        return once(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(StartTraining, "learn", stops)
        with pytest.raises(KeyboardInterrupt):
            learn(materials, tmp_path / "parts")
    halfway = weights(tmp_path / "parts")
    learn(materials, tmp_path / "parts", "--resume")
    assert not np.array_equal(halfway, weights(tmp_path / "whole"))
    assert np.array_equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    records = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [record["outer_rate"] for record in records] == [0.5, 0.375, 0.25, 0.125]


def test_what_is_left_out_is_never_drawn(materials: Path) -> None:
    paintings = Paintings(materials / "paintings", ["paintings1"], 64, seed=0)
    names = [paintings.draw(number)[2] for number in range(12)]
    assert not any("paintings1" in name for name in names)
    assert {"paintings0", "paintings2"} <= set(names)


def test_a_draw_is_a_function_of_its_number(materials: Path) -> None:
    first, again = (Paintings(materials / "paintings", [], 64, seed=0) for _ in range(2))
    again.draw(0)
    for one, other in zip(first.draw(5)[0], again.draw(5)[0], strict=True):
        assert bool((one == other).all())
        assert max(one.shape) == 64


def test_recolouring_keeps_greys() -> None:
    grey = np.full((3, 4, 4), 0.4, np.float32)
    assert np.allclose(recoloured(grey, np.random.default_rng(0)), grey, atol=1e-6)


def test_a_picture_takes_the_mean_and_the_spread_of_anothers_colours() -> None:
    generator = np.random.default_rng(0)
    picture = generator.random((3, 40, 50)) * 0.3 + 0.4
    mixed = np.array([[0.5, 0.2, 0.0], [0.1, 0.4, 0.1], [0.0, 0.2, 0.6]])
    other = np.tensordot(mixed, generator.random((3, 60, 60)) * 0.3, 1) + np.array([0.2, 0.4, 0.3])[:, None, None]
    taken = in_colours_of(picture, other).reshape(3, -1)
    assert np.allclose(taken.mean(1), other.mean((1, 2)), atol=2e-3)
    assert np.allclose(np.cov(taken), np.cov(other.reshape(3, -1)), atol=3e-4)


def test_what_a_user_can_get_wrong(materials: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such picture\. Did you mean 'paintings1'"):
        learn(materials, tmp_path, "--leave_out", "[painting1]")
    with pytest.raises(ConfigError, match="outer_rate must be above 0"):
        learn(materials, tmp_path, "--outer_rate", "2")
    with pytest.raises(ConfigError, match="inner_stepz"):
        learn(materials, tmp_path, "--inner_stepz", "2")
    with pytest.raises(ModelError, match="no state to go on from"):
        learn(materials, tmp_path, "--resume")
    with locked_output(tmp_path), pytest.raises(OutputError, match="is being written by another run"):
        learn(materials, tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"no state")
    with pytest.raises(OutputError, match="holds a start already"):
        learn(materials, tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        learn(materials, tmp_path, "--resume")


def test_a_finished_start_is_not_gone_on_with(
    materials: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from fastnst.start.reptile import StartTraining
    from fastnst.start.start_config import StartConfig
    from fastnst.training.settings import NetworkConfig

    network = NetworkConfig(options={"width": 32, "blocks": 1})
    folders = {"paintings": str(materials / "paintings"), "photos": str(materials / "photos")}
    training = StartTraining(StartConfig(**folders, output=str(tmp_path), network=network, tasks=4))
    training.done = 4
    training.save()
    before = weights(tmp_path)
    with caplog.at_level("INFO"):
        learn(materials, tmp_path, "--resume")
    assert [record.getMessage() for record in caplog.records if "paintings" in record.getMessage()] == [
        f"All 4 paintings of {tmp_path} have been learned from: --tasks takes more."
    ]
    assert np.array_equal(weights(tmp_path), before)
    with pytest.raises(ConfigError, match="has learned from 4 paintings already: tasks cannot be fewer"):
        learn(materials, tmp_path, "--resume", "--tasks", "3")
