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
from fastnst.errors import ConfigError, check_minima
from fastnst.hardware import describe_hardware, float32_products
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.losses.config import check_choice
from fastnst.losses.objective import Objective
from fastnst.metrics.equivalent_iterations import equivalents_in_words
from fastnst.output_files import check_output, write_atomically
from fastnst.progress import progress
from fastnst.reference.compare import NOISE, PHOTO, Compared, Ways, compare_photo, photo_list, summarize
from fastnst.reference.config import Settings, device_of, prepare_trained, trained_settings
from fastnst.reference.optimize import OptimizeConfig, Step, optimize, terms_in_words
from fastnst.reference.report import write_html
from fastnst.reference.second import AUTO, SecondNetwork, open_second
from fastnst.runtime.stylizer import Stylizer
from fastnst.standard_streams import print_message, print_result

_TRIAL_STEPS = 3
_COUNT, _SIZE, _STEPS, _REFINED = 16, 256, 150, 40
_STARTS = {"both": (PHOTO, NOISE), "content": (PHOTO,), "noise": (NOISE,)}
PRECISIONS = ("f32", "tf32", "bf16")
_MIN_SIZE = 16  # pixels; less is not a picture to the perceptual network


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

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes."""
        return (self.size,) if isinstance(self.size, int) else self.size

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
        help=f"long side of the photos in pixels; at several, N_eq is counted at each (default: {_SIZE})",
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


def main(argv: list[str], prog: str = "fastnst compare") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    for name in ("count", "steps"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ConfigError(f"--{name} must be at least 1, not {getattr(options, name)}.")
    if options.size and min(options.size) < _MIN_SIZE:
        raise ConfigError(f"--size must be at least {_MIN_SIZE} pixels, not {min(options.size)}.")
    if options.portrait:
        if options.start != "both":
            raise ConfigError("--start belongs to the comparison without --portrait: there the recipe has its init.")
        from fastnst.commands import compare_portrait

        return compare_portrait.main(options)
    if options.config or options.mattes:
        raise ConfigError("--config and --mattes belong to --portrait.")
    request = read_request(options)
    if options.blind is not None:
        from fastnst.commands import compare_blind

        return compare_blind.main(request, options.blind, options.output, overwrite=options.overwrite)
    page, numbers = options.output / "report.html", options.output / "report.json"
    for path in (page, numbers):
        check_output(path, overwrite=options.overwrite)
    summary, html = compare(request)
    for path, text in ((page, html), (numbers, json.dumps(summary, indent=2) + "\n")):
        with write_atomically(path, overwrite=options.overwrite) as partial:
            partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    shown = ", ".join(f"{count} from {start}" for start, count in equivalents_in_words(summary).items())
    print_result(
        f"{page}: N_eq {shown}; {summary['time_ratio']:.0f} times faster than {request.steps} iterations, objective"
        f" {summary['network_objective']['total']:.4f}\n"
    )
    return 0


def read_request(options: argparse.Namespace) -> Request:
    """The parsed options as typed values."""
    return Request(
        options.model,
        options.photos,
        tuple(options.painting),
        count=_COUNT if options.count is None else options.count,
        size=tuple(options.size) if options.size else _SIZE,
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
    )


def compare(request: Request) -> tuple[dict[str, Any], str]:
    """Measure a style: the figures, as report.json has them, and the page that shows them.

    Raises `FastNSTError` for what does not fit together, `KeyboardInterrupt` after Ctrl-C; what was optimized until
    then is kept in the cache.
    """
    with float32_products(tf32=request.precision == "tf32"):
        return _compare(request, request.ways)


def _compare(request: Request, ways: Ways) -> tuple[dict[str, Any], str]:
    stylizer = Stylizer(request.model, request.provider)
    metadata = stylizer.metadata
    if not metadata.loss_weights:
        raise ConfigError(f"{request.model} does not say what it was trained on: it carries no loss weights.")
    trained = trained_settings(metadata.perceptual, metadata.loss_weights, request.sizes[0], request.perceptual_weights)
    settings = replace(trained, precision="bf16" if request.precision == "bf16" else "f32")
    objective = prepare_trained(settings, request.painting)
    if request.precision == "tf32" and device_of(objective).type != "cuda":
        raise ConfigError("--precision tf32 is for CUDA GPUs, and there is none here: leave it out.")
    second = open_second(request.second, request.second_weights, settings, request.painting)
    if second is not None and second.note:
        print_message(f"{second.name} is the second perceptual network ({second.note}).")
    _announce(request, ways, objective)
    parts = [_at_size(request, size, ways, stylizer, settings, objective, second) for size in request.sizes]
    compared, summary = parts[0]
    summary |= {
        "style": metadata.name,
        "perceptual": metadata.perceptual,
        "second_perceptual": second.name if second else None,
        "second_note": second.note if second else "",
        "precision": request.precision,
        "network_device": f"{stylizer.model.provider}, {stylizer.model.precision}",
        "optimization_device": describe_hardware(device_of(objective)),
        "at_sizes": [{"size": size, **_counts(part)} for size, (_, part) in zip(request.sizes, parts, strict=True)],
    }
    painting = resize_long_side(open_image(request.painting[0]), 400)
    return summary, write_html(
        f"{metadata.title or metadata.name}: network and optimization", summary, compared, painting
    )


def _at_size(
    request: Request,
    size: int,
    ways: Ways,
    stylizer: Stylizer,
    settings: Settings,
    objective: Objective,
    second: SecondNetwork | None,
) -> tuple[list[Compared], dict[str, Any]]:
    """The photos at one size, and their figures. Only the first size is measured by the second network."""
    photos = photo_list(request.photos, request.count, size)
    measured = second if size == request.sizes[0] else None
    smaller = sum(max(photo.size) < size for _, photo in photos)
    if smaller:
        print_message(f"{smaller} of {len(photos)} photos are smaller than {size} pixels and stay as they are.")
    with progress(f"comparing at {size} px", ways.evaluations * len(photos)) as bar:

        def watch(step: Step, _image: torch.Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        compared = []
        for number, (name, photo) in enumerate(photos, start=1):
            compared.append(compare_photo(name, photo, stylizer, objective, ways, measured, watch))
            bar.reach(number * ways.evaluations)
    return compared, summarize(compared, ways)


def _counts(summary: dict[str, Any]) -> dict[str, Any]:
    kept = ("photos", "pixels", "iterations", "start", "network_objective", "per_photo")
    return {key: value for key, value in summary.items() if key in kept or "equivalent" in key}


def _announce(request: Request, ways: Ways, objective: Objective) -> None:
    """Say what it will cost before it starts, from a few trial iterations."""
    name, first = photo_list(request.photos, 1, request.sizes[0])[0]
    photo = _tensor(first).to(device_of(objective))
    optimize(photo, objective, OptimizeConfig(steps=1))  # the first step allocates
    started = time.perf_counter()
    optimize(photo, objective, OptimizeConfig(steps=_TRIAL_STEPS))
    areas = sum((size / request.sizes[0]) ** 2 for size in request.sizes)
    minutes = (time.perf_counter() - started) / _TRIAL_STEPS * ways.evaluations * request.count * areas / 60
    print_message(
        f"{request.count} photos such as {name}, {ways.evaluations} evaluations of the objective each: about"
        f" {minutes:.1f} minutes, less what is in the cache (fewer with --count, --steps, --size or --start)."
    )


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(to_unit_floats(image))[None]
