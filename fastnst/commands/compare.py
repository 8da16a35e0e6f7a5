"""`fastnst compare MODEL --photos DIR --painting FILE -o report/`: is the trained network any good?"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import torch
from PIL import Image

from fastnst.commands.compare_request import MIN_SIZE, Request, build_parser, read_request
from fastnst.errors import ConfigError
from fastnst.hardware import describe_hardware, float32_products
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.losses.objective import Objective
from fastnst.metrics.equivalent_iterations import equivalents_in_words, strong_wolfe_in_words
from fastnst.metrics.image_quality import ImageQuality, open_image_quality
from fastnst.output_files import check_output, write_atomically
from fastnst.progress import progress
from fastnst.reference.compare import Compared, Ways, compare_photo, summarize
from fastnst.reference.config import device_of, prepare_trained
from fastnst.reference.inputs import photo_list
from fastnst.reference.optimize import OptimizeConfig, Step, optimize, terms_in_words
from fastnst.reference.report import write_html
from fastnst.reference.second import Judges, open_second
from fastnst.runtime.stylizer import Stylizer
from fastnst.standard_streams import print_message, print_result

_TRIAL_STEPS = 3


def main(argv: list[str], prog: str = "fastnst compare") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = build_parser(prog).parse_args(argv)
    for name in ("count", "steps"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ConfigError(f"--{name} must be at least 1, not {getattr(options, name)}.")
    if options.size and min(options.size) < MIN_SIZE:
        raise ConfigError(f"--size must be at least {MIN_SIZE} pixels, not {min(options.size)}.")
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
    if request.check:
        shown += f", {strong_wolfe_in_words(summary)} by PyTorch's strong Wolfe"
    iterations = f"{request.steps} iteration{'s' if request.steps != 1 else ''}"
    print_result(
        f"{page}: N_eq {shown}; {summary['time_ratio']:.0f} times faster than {iterations}, objective"
        f" {summary['network_objective']['total']:.4f}\n"
    )
    return 0


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
    settings = request.settings(metadata)
    objective = prepare_trained(settings, request.painting)
    if request.precision == "tf32" and device_of(objective).type != "cuda":
        raise ConfigError("--precision tf32 is for CUDA GPUs, and there is none here: leave it out.")
    second = open_second(request.second, request.second_weights, settings, request.painting)
    if second is not None and second.note:
        print_message(f"{second.name} is the second perceptual network ({second.note}).")
    qualities = _open_qualities(request, device_of(objective))
    _announce(request, ways, objective)
    judges = Judges(second, qualities)
    parts = [_at_size(request, size, ways, stylizer, objective, judges) for size in request.sizes]
    compared, summary = parts[0]
    summary |= {
        "style": metadata.name,
        "perceptual": metadata.perceptual,
        "second_perceptual": second.name if second else None,
        "second_note": second.note if second else "",
        "iqa": {one.name: {"better": one.better, "to_photo": one.to_photo} for one in qualities},
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
    objective: Objective,
    judges: Judges,
) -> tuple[list[Compared], dict[str, Any]]:
    """The photos at one size, and their figures. Only the first size is measured by others than the objective."""
    photos = photo_list(request.photos, request.count, size)
    asked = judges if size == request.sizes[0] else Judges()
    smaller = sum(max(photo.size) < size for _, photo in photos)
    if smaller:
        print_message(f"{smaller} of {len(photos)} photos are smaller than {size} pixels and stay as they are.")
    with progress(f"comparing at {size} px", ways.evaluations * len(photos)) as bar:

        def watch(step: Step, _image: torch.Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        compared = []
        for number, (name, photo) in enumerate(photos, start=1):
            compared.append(compare_photo(name, photo, stylizer, objective, ways, asked, watch))
            bar.reach(number * ways.evaluations)
    return compared, summarize(compared, ways)


def _open_qualities(request: Request, device: torch.device) -> list[ImageQuality]:
    """The further measures, each tried on a photo: what cannot be measured is said before hours of work."""
    qualities = [open_image_quality(asked, device) for asked in request.qualities]
    if qualities:
        photo = _tensor(photo_list(request.photos, 1, request.sizes[0])[0][1]).to(device)
        for quality in qualities:
            quality.measure(photo, photo)
    return qualities


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
    photos = f"{request.count} photos such as {name}" if request.count > 1 else name
    print_message(
        f"{photos}, {ways.evaluations} evaluations of the objective each: about {minutes:.1f} minutes, less what is in"
        " the cache (fewer with --count, --steps, --size or --start)."
    )


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(to_unit_floats(image))[None]
