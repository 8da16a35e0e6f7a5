"""Training of the matting network end to end on a few real pixels: what matters here is the machinery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fastnst import cli
from fastnst.errors import ConfigError, ImageError
from fastnst.images.folders import find_images
from fastnst.matting.data import PortraitData, Samples
from fastnst.matting.pairs import PortraitPairs
from fastnst.matting.training import MattingTraining
from fastnst.matting.weights import load_matting
from tests.conftest import gradient
from tests.matting_models import disc


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory, photo: Image.Image) -> Path:
    """Pairs cut from a real portrait with a made-up matte, one broken, and backgrounds."""
    folder = tmp_path_factory.mktemp("portraits")
    for part in ("image", "matte", "backgrounds"):
        (folder / part).mkdir()
    for number in range(4):
        piece = photo.crop((40 * number, 20 * number, 40 * number + 240, 20 * number + 300))
        piece.save(folder / "image" / f"{number}.jpg")
        Image.fromarray(np.rint(disc(300, 240) * 255).astype(np.uint8)).save(folder / "matte" / f"{number}.png")
    Image.new("L", (10, 10)).save(folder / "matte" / "odd.png")
    photo.crop((0, 0, 99, 99)).save(folder / "image" / "odd.png")
    Image.fromarray(gradient(150, 200)).save(folder / "backgrounds" / "b.png")
    return folder


def train(portraits: Path, out: Path, name: str, steps: int, *more: str, code: int = 0) -> Path:
    arguments = [
        "train-matting", "--portraits", str(portraits), "--val-portraits", str(portraits),
        "--backgrounds", str(portraits / "backgrounds"), "--name", name, "--steps", str(steps),
        "--model.network.width", "0.25", "--model.network.top", "32", "--model.network.detail", "8",
        "--data.image_size", "64", "--data.batch_size", "2", "--data.workers", "0", "--data.val_limit", "2",
        "--trainer.default_root_dir", str(out), "--trainer.precision", "32-true", "--trainer.accelerator", "cpu",
        "--trainer.val_check_interval", "2", *more,
    ]  # fmt: skip
    assert cli.main(arguments) == code
    return out / name / "version_0"


def test_a_resumed_training_is_the_uninterrupted_one(portraits: Path, tmp_path: Path) -> None:
    whole = train(portraits, tmp_path, "whole", 4)
    assert (whole / "config.yaml").is_file()
    assert (whole / "previews" / "step_000002.jpg").is_file()
    part = train(portraits, tmp_path, "part", 4, "--trainer.limit_train_batches", "2", "--trainer.max_epochs", "1")
    checkpoint = part / "checkpoints" / "last.ckpt"
    rest = train(portraits, tmp_path, "rest", 4, "--ckpt_path", str(checkpoint))
    expected, found = load_file(whole / "whole.safetensors"), load_file(rest / "rest.safetensors")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    network, metadata = load_matting(checkpoint)
    assert metadata.steps == 2
    assert set(metadata.errors) == {"mse", "mad", "gradient", "iou"}
    assert metadata.reference_size == 64
    more = train(portraits, tmp_path, "more", 1, "--init", str(checkpoint), "--model.learning_rate", "1e-12")
    started = load_file(more / "more.safetensors")
    name = "f_branch.conv_f.1.layers.0.weight"
    assert torch.allclose(started[name], network.state_dict()[name], atol=1e-6)


def test_ctrl_c_keeps_what_was_reached(portraits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = MattingTraining.training_step

    def interrupted(self: MattingTraining, batch: torch.Tensor, index: int) -> torch.Tensor:
        if self.global_step == 2:
            raise KeyboardInterrupt
        return original(self, batch, index)

    monkeypatch.setattr(MattingTraining, "training_step", interrupted)
    run = train(portraits, tmp_path, "stopped", 4, code=130)
    assert load_matting(run / "stopped.safetensors")[1].steps == 2
    assert (run / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.slow
def test_training_goes_on_from_an_exported_file(portraits: Path, tmp_path: Path) -> None:
    run = train(portraits, tmp_path, "first", 2)
    model = tmp_path / "first.onnx"
    assert cli.main(["export", str(run / "first.safetensors"), "-o", str(model)]) == 0
    more = train(portraits, tmp_path, "second", 1, "--init", str(model), "--model.learning_rate", "1e-12")
    network, metadata = load_matting(more / "second.safetensors")
    assert metadata.steps == 3
    assert metadata.data == "5 portraits before other backgrounds (1)"  # the same in both
    # The file has no statistics of any data, so that those of its normalizations must stay as they were.
    state = network.state_dict()
    assert all(float(value.abs().max()) == 0 for name, value in state.items() if name.endswith("running_mean"))
    network.eval()
    picture = torch.rand(1, 3, 64, 96) * 2 - 1
    expected = load_matting(run / "first.safetensors")[0].eval()(picture).alpha
    assert float((network(picture).alpha - expected).detach().abs().mean()) < 0.01  # the file's weights are fp16


def test_the_shipped_recipe_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Path(__file__).parents[2] / "configs" / "matting" / "small.yaml"
    arguments = ["--config", str(recipe), "--portraits", "x", "--val-portraits", "y", "--print_config"]
    assert cli.main(["train-matting", *arguments]) == 0
    assert "width: 0.75" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--portraits", "{folder}/nowhere"], "has no folder 'image'"),
        (["--backgrounds", "{folder}/none"], "no photos found in"),
        (["--backgrounds", "{folder}/nowhere"], "the folder of backgrounds {folder}/nowhere does not exist"),
        (["--portraits", "{folder}/odd"], "nothing can be learned from {folder}/odd: 20 portraits in a row"),
        (["--ckpt_path", "{folder}/other.ckpt"], "is not one of fastnst train-matting"),
        (["--data.image_size", "100"], "image_size must be a multiple of 32"),
        (["--init", "{folder}/none.ckpt"], "does not exist"),
        (["--stpes", "3"], "Did you mean 'steps'"),
    ],
)
def test_bad_options(
    portraits: Path, tmp_path: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    for part, size in (("image", (40, 40)), ("matte", (40, 41))):
        (tmp_path / "odd" / part).mkdir(parents=True)
        Image.new("L", size).save(tmp_path / "odd" / part / "a.png")
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.6.0"}, tmp_path / "other.ckpt")
    arguments = ["train-matting", "--portraits", str(portraits), "--val-portraits", str(portraits)]
    arguments += ["--trainer.default_root_dir", str(tmp_path / "runs")]
    assert cli.main([*arguments, *(text.format(folder=tmp_path) for text in options)]) == 2
    assert reason.format(folder=tmp_path) in capsys.readouterr().err
    assert "--ckpt_path" in options or not (tmp_path / "runs").exists()


def test_samples_are_a_function_of_seed_and_number(portraits: Path) -> None:
    backgrounds = find_images([portraits / "backgrounds"])
    one, other = (Samples(PortraitPairs(portraits), backgrounds, 64, seed=3) for _ in range(2))
    assert torch.equal(one[7], other[7])
    assert not torch.equal(one[7], Samples(PortraitPairs(portraits), backgrounds, 64, seed=4)[7])
    for number in range(12):  # the pair of two sizes is passed over
        sample = one[number]
        assert (sample.dtype, sample.shape) == (torch.uint8, (4, 64, 64))


def test_pairs_that_do_not_fit(portraits: Path, tmp_path: Path) -> None:
    pairs = PortraitPairs(portraits)
    assert len(pairs) == 5
    with pytest.raises(ImageError, match="has 10×10 pixels, its photo 99×99"):
        pairs.open(4)
    (tmp_path / "image").mkdir()
    (tmp_path / "matte").mkdir()
    with pytest.raises(ConfigError, match="holds no mattes"):
        PortraitPairs(tmp_path)


def test_settings_that_make_no_data() -> None:
    for options in ({"image_size": 48}, {"batch_size": 1}, {"workers": -1}, {"val_limit": 0}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            PortraitData("a", "b", **options)  # type: ignore[arg-type]
