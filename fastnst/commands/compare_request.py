"""The options of `fastnst compare`, and what they ask for as typed values."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.errors import ConfigError, check_minima
from fastnst.losses.config import check_choice
from fastnst.reference.compare import NOISE, PHOTO, Ways
from fastnst.reference.config import Settings, trained_settings
from fastnst.reference.second import AUTO
from fastnst.runtime.models.metadata import StyleMetadata

PRECISIONS = ("f32", "tf32", "bf16")
MIN_SIZE = 16  # pixels; less is not a picture to the perceptual network
_COUNT, _SIZE, _STEPS, _REFINED = 16, 256, 150, 40
_BLIND_SIZE = 512  # what eyes judge; figures are counted at the size of training
_STARTS = {"both": (PHOTO, NOISE), "content": (PHOTO,), "noise": (NOISE,)}


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    Attributes:
        model: name of a style, or a style model file (.onnx).
        photos: held-out photos.
        painting: what it was trained on.
        count: photos to take.
        size: their long side in pixels; of several sizes N_eq is counted at each, and the pictures are of the first.
        steps: evaluations of each optimization.
        start: where L-BFGS starts: `content`, `noise` or `both`.
        refine: evaluations of L-BFGS from the network's picture; 0 leaves it out.
        adam: whether Adam is shown as well.
        check: whether N_eq is counted by PyTorch's L-BFGS with a strong-Wolfe line search as well.
        perceptual_weights: a local weights file for the model's perceptual network.
        second: a perceptual network that training did not use, `NAME` or `NAME:WEIGHTS`; `auto` or `none`.
        second_weights: a local weights file for it.
        provider: what runs the model.
        precision: of the objective and the descents, one of `PRECISIONS`.
        qualities: further measures of pyiqa, `NAME` or `NAME=FILE`.
    """

    model: str
    photos: Path
    painting: tuple[Path, ...]
    count: int = _COUNT
    size: int | tuple[int, ...] = _SIZE
    steps: int = _STEPS
    start: str = "both"
    refine: int = _REFINED
    adam: bool = True
    check: bool = False
    perceptual_weights: str | None = None
    second: str = AUTO
    second_weights: str | None = None
    provider: str = "auto"
    precision: str = "f32"
    qualities: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes."""
        return (self.size,) if isinstance(self.size, int) else self.size

    def settings(self, metadata: StyleMetadata) -> Settings:
        """The objective that a style was trained on, at the first size; `ConfigError` if it does not say."""
        if not metadata.loss_weights:
            raise ConfigError(f"{self.model} does not say what it was trained on: it carries no loss weights.")
        precision = "bf16" if self.precision == "bf16" else "f32"
        return trained_settings(
            metadata.perceptual, metadata.loss_weights, self.sizes[0], self.perceptual_weights, precision
        )

    @property
    def ways(self) -> Ways:
        """The descents. Raises `ConfigError` for numbers that mean nothing."""
        check_minima({"--count": (self.count, 1), "--steps": (self.steps, 1), "--refine": (self.refine, 0)})
        for size in self.sizes:
            if size < 64:
                raise ConfigError(f"--size must be at least 64 pixels, not {size}.")
        if self.start not in _STARTS:
            raise ConfigError(f"start must be one of {', '.join(_STARTS)}, not '{self.start}'.")
        check_choice("precision", self.precision, PRECISIONS)
        return Ways(_STARTS[self.start], self.steps, self.refine, self.adam, self.check)


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Measure a trained network against per-image optimization.")
    parser.add_argument("model", metavar="MODEL", help="name of a style, or a style model file (.onnx)")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="held-out photos")
    parser.add_argument(
        "--painting", nargs="+", type=Path, required=True, metavar="FILE", help="what it was trained on"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=int, help=f"photos (default: {_COUNT})")
    parser.add_argument(
        "--size", type=int, nargs="+",
        help="long side of the photos in pixels; at several, N_eq is counted at each (default:"
        f" {_SIZE}, with --blind {_BLIND_SIZE})",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, help=f"evaluations of each optimization (default: {_STEPS})")
    parser.add_argument(
        "--start", choices=tuple(_STARTS), default="both",
        help="where L-BFGS starts: the photo (content), which is stricter, noise, as in Johnson et al., or both, which"
        " takes twice as long (default: both)",
    )  # fmt: skip
    parser.add_argument(
        "--refine", type=int, default=_REFINED, metavar="N",
        help=f"evaluations of L-BFGS that goes on from the network's picture, 0 for none (default: {_REFINED})",
    )  # fmt: skip
    parser.add_argument(
        "--adam", action=argparse.BooleanOptionalAction, default=True, help="show Adam from the photo as well"
    )
    parser.add_argument(
        "--check", action="store_true", help="count N_eq by PyTorch's L-BFGS with a strong-Wolfe line search as well"
    )
    parser.add_argument(
        "--perceptual-weights", metavar="FILE", help="a local weights file for the model's perceptual network"
    )
    parser.add_argument(
        "--second", default=AUTO, metavar="NAME",
        help="a perceptual network that training did not use, NAME or NAME:WEIGHTS, or none (default: alexnet or vgg16"
        " if they can be had, else vgg16:random, which needs no file)",
    )  # fmt: skip
    parser.add_argument("--second-weights", metavar="FILE", help="a local weights file for the second network")
    parser.add_argument(
        "--iqa", nargs="+", default=[], metavar="NAME[=FILE]",
        help='measures of pyiqa (pip install "fastnst[iqa]"), such as dists, gmsd or fsim; FILE has local weights',
    )  # fmt: skip
    parser.add_argument("--provider", default="auto", help="as for stylize")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="f32",
        help="of the objective and the descents: f32, or, faster, tf32 (CUDA only) or bf16, which count about the same"
        " (default: f32)",
    )  # fmt: skip
    portraits = parser.add_argument_group("portraits")
    portraits.add_argument("--portrait", action="store_true", help="with and without background, both ways, on a sheet")
    portraits.add_argument("--config", type=Path, metavar="YAML", help="the optimization's recipe")
    portraits.add_argument(
        "--mattes", type=Path, metavar="DIR", help="the photos' mattes: NAME.png or NAME_alpha.png of NAME.jpg"
    )
    blind = parser.add_argument_group("your own eyes")
    blind.add_argument(
        "--blind", nargs="*", metavar="MODEL",
        help="instead of measuring, write a page that shows the results of MODEL and these in shuffled pairs and counts"
        " what you prefer; the word reference stands for the optimization",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def read_request(options: argparse.Namespace) -> Request:
    """The parsed options as typed values."""
    return Request(
        options.model,
        options.photos,
        tuple(options.painting),
        count=_COUNT if options.count is None else options.count,
        size=tuple(options.size or [_SIZE if options.blind is None else _BLIND_SIZE]),
        steps=_STEPS if options.steps is None else options.steps,
        start=options.start,
        refine=options.refine,
        adam=options.adam,
        check=options.check,
        perceptual_weights=options.perceptual_weights,
        second=options.second,
        second_weights=options.second_weights,
        provider=options.provider,
        precision=options.precision,
        qualities=tuple(options.iqa),
    )
