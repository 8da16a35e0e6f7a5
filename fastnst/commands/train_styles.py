"""`fastnst train --styles a.yaml b.yaml --paintings DIR --photos DIR`: several styles in one run."""

from __future__ import annotations

from typing import Any, ClassVar

from pytorch_lightning.cli import LightningArgumentParser

from fastnst.commands.train import StyleCLI, watchers
from fastnst.recipes import merged
from fastnst.trainer.lightning_cli import TrainingCLI, TrainingCommand
from fastnst.training.data import PhotoData
from fastnst.training.divergence_guard import Guards
from fastnst.training.several_styles import StylesTraining

STYLES_FLAG = "--styles"
SUMMARY = (
    "Train several styles in one run, each as its recipe has it: photos are read and measured once for all of them, and"
    " on a GPU all networks move together. The run's folder, runs/NAME/version_0, holds one checkpoint of all to go on"
    " from with --ckpt_path, and each style's previews and trained .safetensors."
)
_OF_THE_RUN = {"recipes", "paintings", "settings", "perceptual_weights", "init"}  # of `model`, no style's own
_USAGE = "fastnst train --styles RECIPE [RECIPE ...] --paintings DIR --photos DIR [--config gpu] [options]"


class StylesCLI(StyleCLI):
    """The command line of `StylesTraining` and `PhotoData`."""

    top_options: ClassVar[dict[str, str]] = {
        "styles": "model.recipes",
        "paintings": "model.paintings",
        "photos": "data.photos",
        "perceptual_weights": "model.perceptual_weights",
        "steps": "trainer.max_steps",
        "init": "model.init",
    }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Declare the top-level options and the defaults of such a training."""
        parser.add_argument(
            STYLES_FLAG, type=str, nargs="+", default=[], help="recipes: .yaml files, or names of those that ship"
        )
        parser.add_argument("--paintings", type=str, default=".", help="the folder with the recipes' paintings")
        parser.add_argument(
            "--photos", type=str, default="detection-datasets/coco", help="training photos, as for a single style"
        )
        parser.add_argument("--name", type=str, default="styles", help="name of the run's folder")
        parser.add_argument(
            "--export", type=bool, default=False, help="at the end, write the style model files and restyled photos"
        )
        parser.add_argument("--perceptual-weights", type=str | None, default=None, help="a local weights file")
        parser.add_argument("--steps", type=int, default=10000, help="training steps")
        parser.add_argument("--init", type=str | None, default=None, help="start all from this trained network")
        parser.add_lightning_class_args(Guards, "guards")
        TrainingCLI.add_arguments_to_parser(self, parser)

    def before_instantiate_classes(self) -> None:
        """What all trainings check."""
        TrainingCLI.before_instantiate_classes(self)


def settings_of_all(content: dict[str, Any]) -> None:
    """What a recipe of a single style says of its model, as settings of all styles."""
    model = content.get("model")
    if not isinstance(model, dict):
        return
    others = {key: model.pop(key) for key in list(model) if key not in _OF_THE_RUN}
    settings = model.get("settings") or {}
    if others and isinstance(settings, dict):
        model["settings"] = merged(others, settings)


def command() -> TrainingCommand:
    """This command among the trainings."""
    # The module clips each style's gradients itself.
    defaults: dict[str, Any] = {"callbacks": watchers(), "gradient_clip_val": None}
    return TrainingCommand(StylesCLI, StylesTraining, PhotoData, SUMMARY, _USAGE, defaults, settings_of_all)
