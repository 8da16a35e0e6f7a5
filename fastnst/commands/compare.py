"""`fastnst compare MODEL --photos DIR --painting FILE -o report/`: is the trained network any good?"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from fastnst.commands.options.parser import Parser
from fastnst.errors import ConfigError, DownloadError, FastNSTError
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.objective import Objective
from fastnst.metrics.equivalent_iterations import equivalents_in_words
from fastnst.output_files import check_output, write_atomically
from fastnst.perceptual import PerceptualConfig
from fastnst.progress import progress
from fastnst.reference.compare import Compared, compare_photo, photo_list, summarize
from fastnst.reference.config import Settings, prepare, trained_settings
from fastnst.reference.optimize import OptimizeConfig, Step, optimize, terms_in_words
from fastnst.reference.report import write_html
from fastnst.runtime.stylizer import Stylizer
from fastnst.standard_streams import say, tell

_TRIAL_STEPS = 3
_STEPS, _SIZE = 500, 256
_SMALLEST_SIZE = 16  # pixels; less is no picture to the perceptual network
# Layers of like depth to compare two pictures by a network that the training did not use.
_SECOND_LAYERS = {
    "alexnet": (["relu4"], ["relu1", "relu2", "relu3", "relu4", "relu5"]),
    "vgg16": (["relu3_3"], ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]),
    "vgg19": (["relu4_2"], ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]),
}


@dataclass(frozen=True)
class Request:
    """The options of `fastnst compare`.

    Attributes:
        model: name of a style, or a style model file (.onnx).
        photos: held-out photos.
        painting: what it was trained on.
        count: photos to take.
        size: their long side in pixels.
        steps: iterations of L-BFGS.
        start: where that starts: `content`, `noise` or `both`.
        perceptual_weights: a local weights file for the model's perceptual network.
        second: a perceptual network that training did not use, or `none`.
        second_weights: a local weights file for it.
        provider: what runs the model.
    """

    model: str
    photos: Path
    painting: tuple[Path, ...]
    count: int = 5
    size: int = _SIZE
    steps: int = _STEPS
    start: str = "both"
    perceptual_weights: str | None = None
    second: str = "alexnet"
    second_weights: str | None = None
    provider: str = "auto"


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Measure a trained network against per-image optimization.")
    parser.add_argument("model", metavar="MODEL", help="name of a style, or a style model file (.onnx)")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="held-out photos")
    parser.add_argument(
        "--painting", nargs="+", type=Path, required=True, metavar="FILE", help="what it was trained on"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=5, help="photos (default: 5)")
    parser.add_argument("--size", type=int, help="long side of the photos in pixels (default: 256)")
    parser.add_argument("--steps", type=int, help="iterations of L-BFGS (default: 500)")
    parser.add_argument(
        "--start", choices=("both", "content", "noise"), default="both",
        help="where L-BFGS starts: the photo (content), which is stricter, noise, as in Johnson et al., or both, which"
        " takes twice as long (default: both)",
    )  # fmt: skip
    parser.add_argument(
        "--perceptual-weights", metavar="FILE", help="a local weights file for the model's perceptual network"
    )
    parser.add_argument("--second", default="alexnet", help="a perceptual network that training did not use, or none")
    parser.add_argument("--second-weights", metavar="FILE", help="a local weights file for the second network")
    parser.add_argument("--provider", default="auto", help="as for stylize")
    portraits = parser.add_argument_group("portraits")
    portraits.add_argument("--portrait", action="store_true", help="with and without background, both ways, on a sheet")
    portraits.add_argument("--config", type=Path, metavar="YAML", help="the optimization's recipe")
    portraits.add_argument(
        "--mattes", type=Path, metavar="DIR", help="the photos' mattes: NAME.png or NAME_alpha.png of NAME.jpg"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def main(argv: list[str], prog: str = "fastnst compare") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    for name in ("count", "steps"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ConfigError(f"--{name} must be at least 1, not {getattr(options, name)}.")
    if options.size is not None and options.size < _SMALLEST_SIZE:
        raise ConfigError(f"--size must be at least {_SMALLEST_SIZE}, not {options.size}.")
    if options.portrait:
        if options.start != "both":
            raise ConfigError("--start belongs to the comparison without --portrait: there the recipe has its init.")
        from fastnst.commands import compare_portrait

        return compare_portrait.main(options)
    if options.config or options.mattes:
        raise ConfigError("--config and --mattes belong to --portrait.")
    request = Request(
        options.model, options.photos, tuple(options.painting), options.count, options.size or _SIZE,
        options.steps or _STEPS, options.start, options.perceptual_weights, options.second, options.second_weights,
        options.provider,
    )  # fmt: skip
    page, numbers = options.output / "report.html", options.output / "report.json"
    for path in (page, numbers):
        check_output(path, overwrite=options.overwrite)
    summary, html = compare(request)
    for path, text in ((page, html), (numbers, json.dumps(summary, indent=2) + "\n")):
        with write_atomically(path, overwrite=options.overwrite) as partial:
            partial.write_text(text, encoding="utf-8")
    shown = ", ".join(f"{count} from {start}" for start, count in equivalents_in_words(summary).items())
    say(
        f"{page}: N_eq {shown}; {summary['time_ratio']:.0f} times faster than {request.steps} iterations, objective"
        f" {summary['network_objective']['total']:.4f}\n"
    )
    return 0


def compare(request: Request) -> tuple[dict[str, Any], str]:
    """Measure a style: the figures, as report.json has them, and the page that shows them.

    Raises `FastNSTError` for what does not fit together, `KeyboardInterrupt` after Ctrl-C.
    """
    stylizer = Stylizer(request.model, request.provider)
    metadata = stylizer.metadata
    if not metadata.loss_weights:
        raise ConfigError(f"{request.model} does not say what it was trained on: it carries no loss weights.")
    settings = trained_settings(metadata.perceptual, metadata.loss_weights, request.size, request.perceptual_weights)
    objective = prepare(settings, request.painting)
    second, second_name = _second(request, settings)
    photos = photo_list(request.photos, request.count, request.size)
    _announce(photos, objective, request)
    compared: list[Compared] = []
    with progress("comparing", _descents(request) * request.steps * len(photos)) as bar:

        def watch(step: Step, _image: torch.Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        for name, photo in photos:
            compared.append(
                compare_photo(name, photo, stylizer, objective, request.steps, second, watch, start=request.start)
            )
    summary = summarize(compared) | {"style": metadata.name, "second_perceptual": second_name, "start": request.start}
    painting = resize_long_side(open_image(request.painting[0]), 400)
    title = f"{metadata.title or metadata.name}: network and optimization"
    return summary, write_html(title, summary, compared, painting)


def _second(request: Request, settings: Settings) -> tuple[Objective | None, str | None]:
    """The second perceptual network, or None with a line that says why."""
    if request.second == "none":
        return None, None
    if request.second == settings.perceptual.name:
        raise ConfigError(
            f"--second {request.second} is what the model was trained with: name another perceptual network."
        )
    content, style = _SECOND_LAYERS.get(request.second, ([], []))
    asked = replace(
        settings,
        objective=ObjectiveConfig(content_layers=content, style_layers=style),
        perceptual=PerceptualConfig(request.second, weights_file=request.second_weights),
    )
    try:
        return prepare(asked, request.painting), request.second
    except FastNSTError as error:
        if request.second_weights:
            raise
        reason = (
            f"{error.fact}: --second-weights FILE takes a local one." if isinstance(error, DownloadError) else error
        )
        tell(f"without a second perceptual network: {reason}")
        return None, None


def _descents(request: Request) -> int:
    return 2 if request.start == "both" else 1


def _announce(photos: list[tuple[str, Image.Image]], objective: Objective, request: Request) -> None:
    """Say what it will cost before it starts, from a few trial iterations."""
    photo = torch.from_numpy(to_unit_floats(photos[0][1]))[None]
    photo = photo.to(next(objective.perceptual.convolutions.parameters()).device)
    optimize(photo, objective, OptimizeConfig(steps=1))  # the first step allocates
    started = time.perf_counter()
    optimize(photo, objective, OptimizeConfig(steps=_TRIAL_STEPS))
    minutes = (time.perf_counter() - started) / _TRIAL_STEPS * request.steps * len(photos) / 60
    minutes *= _descents(request)
    twice = ", from each start" if _descents(request) == 2 else ""
    tell(
        f"{len(photos)} photos, {request.steps} iterations each{twice}: about {minutes:.1f} minutes"
        " (fewer with --count, --steps or --size)."
    )
