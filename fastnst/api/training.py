"""Train and export styles from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastnst.recipes import merged, read_recipe


@dataclass(frozen=True)
class TrainedStyle:
    """The result of a training.

    Attributes:
        network: the trained network (.safetensors), for `export` and for `init` of another training.
        folder: the run's folder: previews, config.yaml, checkpoints.
        checkpoint: the last checkpoint, for `resume` of another training.
        objective: the held-out objective's terms at the last validation; empty before the first.
    """

    network: Path
    folder: Path
    checkpoint: Path
    objective: dict[str, float]


def train(
    painting: str | Path | Sequence[str | Path],
    photos: str | Path,
    *,
    name: str = "mine",
    recipe: str | Path = "quickstart",
    steps: int | None = None,
    init: str | Path | None = None,
    resume: str | Path | None = None,
    output: str | Path = "runs",
    settings: Mapping[str, Any] | None = None,
) -> TrainedStyle:
    """Train a style from a painting, or several that become one style, and photos.

    Args:
        painting: picture file(s).
        photos: a folder of pictures, a .parquet file or a folder of them, or the name of a dataset of the hub.
        name: of the style.
        recipe: a .yaml file, or the name of one that ships (`fastnst.available_recipes`): `quickstart` takes minutes
            and downloads nothing, `style` is what the styles that ship were made with.
        steps: of training; None takes the recipe's.
        init: start from this trained network or style; None takes the recipe's.
        resume: go on from this checkpoint (.ckpt) of the same training.
        output: runs lie here, in `<name>/version_<number>`.
        settings: further settings as recipes have them: `{"model": {"learning_rate": 2e-3}}`.

    Raises `FastNSTError` for what does not fit together and for a full disk; `KeyboardInterrupt` after Ctrl-C, when
    what was reached is kept. With several GPUs Lightning starts the calling script once for each.
    """
    from fastnst.commands.train import command
    from fastnst.trainer.lightning_cli import train_with
    from fastnst.trainer.run_files import run_folder

    paintings = [painting] if isinstance(painting, str | Path) else list(painting)
    own: dict[str, Any] = {
        "painting": [str(one) for one in paintings],
        "photos": str(photos),
        "name": name,
        "trainer": {"default_root_dir": str(output)},
    }
    own |= {
        key: value for key, value in (("steps", steps), ("init", _text(init)), ("ckpt_path", _text(resume))) if value
    }
    cli = train_with(command(), merged(merged(read_recipe(recipe), dict(settings or {})), own))
    folder = run_folder(cli.trainer)
    objective = dict(cli.model.validated)
    return TrainedStyle(folder / f"{name}.safetensors", folder, folder / "checkpoints" / "last.ckpt", objective)


def export(
    network: str | Path,
    output: str | Path,
    *,
    precision: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Turn a trained network into a model file (.onnx), checked against torch, and return its path.

    Args:
        network: .safetensors or .ckpt of a training, of styles or of matting.
        output: the .onnx to write.
        precision: `fp32` or `fp16`; None takes fp32 for styles, fp16 for the weights of matting models.
        name: of the style; None takes the trained one.

    Raises `FastNSTError` for what is not a trained network, or where the two disagree (nothing is written then).
    """
    from fastnst.commands import export as command

    return command.export(Path(network), Path(output), precision, name, overwrite=overwrite).path


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
