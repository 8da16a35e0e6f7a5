"""`fastnst compare --portrait`: portraits with and without their background, by optimization and by network."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastnst.array_types import FloatPlane
from fastnst.commands.optimize import RecipeOptions
from fastnst.contact_sheet import Cell, contact_sheet
from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.images.encode import save_image
from fastnst.losses.objective import Objective
from fastnst.output_files import check_output, write_atomically
from fastnst.progress import progress
from fastnst.reference.config import Settings, device_of, prepare
from fastnst.reference.inputs import named_colour, photo_list
from fastnst.reference.optimize import Step, Watcher, optimize, terms_in_words
from fastnst.reference.recipes import read_variants
from fastnst.runtime.portrait.matte_files import MatteFolder, fit_matte
from fastnst.runtime.portrait.matting_model import MattingModel, has_person, resolve_matting_model
from fastnst.runtime.stylizer import Stylizer
from fastnst.standard_streams import print_result

_BACKGROUND = "black"  # of the published comparison
_DEFAULT_PORTRAITS = 5


@dataclass(frozen=True)
class Portrait:
    """One version of a photo (its background kept or removed), what both ways make of it, and the losses."""

    photo: Image.Image
    optimized: Image.Image
    network: Image.Image
    optimized_terms: dict[str, float]
    network_terms: dict[str, float]


def main(options: argparse.Namespace) -> int:
    """Run the comparison with the parsed options of `fastnst compare`."""
    sheet, numbers = options.output / "portraits.jpg", options.output / "portraits.json"
    for path in (sheet, numbers):
        check_output(path, overwrite=options.overwrite)
    settings, colour = recipe(options)
    stylizer = Stylizer(options.model, options.provider)
    photos = photo_list(options.photos, options.count or _DEFAULT_PORTRAITS, settings.size)
    mattes = open_mattes(photos, options.mattes)
    objective = prepare(settings, options.painting)
    rows: list[list[Cell]] = []
    found = []
    with progress("comparing", 2 * settings.descent.steps * len(photos)) as bar:

        def watch(step: Step, _image: Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        for (name, photo), matte in zip(photos, mattes, strict=True):
            removed = over(photo, matte, colour)
            versions = {"kept": photo, "removed": removed}
            made = {kind: _both_ways(one, stylizer, objective, settings, watch) for kind, one in versions.items()}
            rows += [_row(f"{name}, background {kind}", one) for kind, one in made.items()]
            terms = {
                kind: {"optimized": one.optimized_terms, "network": one.network_terms} for kind, one in made.items()
            }
            found.append({"photo": name, **terms})
    save_image(contact_sheet(rows, cell=300, title=stylizer.metadata.title), sheet, overwrite=options.overwrite)
    with write_atomically(numbers, overwrite=options.overwrite) as partial:
        partial.write_text(json.dumps(found, indent=2) + "\n")
    print_result(f"{sheet}: {len(photos)} portraits, {settings.descent.steps} steps of {settings.descent.optimizer}\n")
    return 0


def recipe(options: argparse.Namespace) -> tuple[Settings, str]:
    """The reference's settings, from `--config` and the options that override it, and the colour behind people."""
    values = {name: getattr(options, name) for name in ("steps", "size", "perceptual_weights")}
    if isinstance(values["size"], list):
        if len(values["size"]) > 1:
            raise ConfigError("--portrait takes one --size.")
        values["size"] = values["size"][0]
    texts = {name: [str(value)] for name, value in values.items() if value is not None}
    variants, own = read_variants(options.config, texts, RecipeOptions())
    if len(variants) != 1:
        raise ConfigError(f"{options.config} is a sweep of {len(variants)} variants: a comparison takes one.")
    colour = own.background or _BACKGROUND
    named_colour(colour)  # an unknown one is refused before anything is computed
    return variants[0].settings, colour


def open_mattes(photos: list[tuple[str, Image.Image]], folder: Path | None) -> list[FloatPlane]:
    """The people's alpha `[H, W]` in [0, 1] of each named photo: from a folder of mattes, or found by the network.

    Raises `ConfigError` if a matte is missing, is one of several, or shows nobody; `ImageError` if it does not fit.
    """
    if folder is None:
        model = MattingModel(resolve_matting_model())
        mattes = [model.people(np.asarray(photo)) for _, photo in photos]
    else:
        files = MatteFolder(folder)
        mattes = [_matte_from(files, name, photo) for name, photo in photos]
    for (name, _), matte in zip(photos, mattes, strict=True):
        if not has_person(matte):
            raise ConfigError(f"nobody is found in {name}: give --photos portraits, or their mattes with --mattes DIR.")
    return mattes


def _matte_from(files: MatteFolder, name: str, photo: Image.Image) -> FloatPlane:
    path = files.find(Path(name))
    if path is None:
        stem = Path(name).stem
        raise ConfigError(f"{files.folder} holds no matte for {name}: call it {stem}.png or {stem}_alpha.png.")
    return fit_matte(path, photo.size)


def over(photo: Image.Image, matte: FloatPlane, colour: str) -> Image.Image:
    """The person over one colour."""
    background = Image.new("RGB", photo.size, colour)
    mask = Image.fromarray(np.rint(np.clip(matte, 0, 1) * 255).astype(np.uint8))
    return Image.composite(photo, background, mask)


def _both_ways(
    photo: Image.Image, stylizer: Stylizer, objective: Objective, settings: Settings, watcher: Watcher
) -> Portrait:
    device = device_of(objective)
    tensor = _tensor(photo).to(device)
    run = optimize(tensor, objective, settings.descent, watcher=watcher)
    if run.interrupted:
        raise KeyboardInterrupt
    optimized, network = from_unit_floats(run.image[0].numpy()), stylizer(photo)
    target = objective.content_target(tensor)
    with torch.no_grad():
        terms = [objective(_tensor(one).to(device), target).floats() for one in (optimized, network)]
    return Portrait(photo, optimized, network, *terms)


def _row(caption: str, one: Portrait) -> list[Cell]:
    def losses(terms: dict[str, float]) -> str:
        return f"content {terms['content']:.3g}, style {terms['style']:.3g}"

    return [
        (one.photo, caption),
        (one.optimized, f"optimized: {losses(one.optimized_terms)}"),
        (one.network, f"network: {losses(one.network_terms)}"),
    ]


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(to_unit_floats(image))[None]
