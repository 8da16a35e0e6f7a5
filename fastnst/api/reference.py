"""Per-image optimization, and what a style is worth beside it, from Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from fastnst.reference.config import Settings


@dataclass(frozen=True)
class OptimizedPicture:
    """The result of `optimize`.

    Attributes:
        image: mode RGB, the photo reduced to the settings' `size`.
        terms: the objective's terms at the last step.
        steps: how many were made.
        seconds: how long they took.
        interrupted: whether Ctrl-C ended it; `image` is then the best so far.
    """

    image: Image.Image
    terms: dict[str, float]
    steps: int
    seconds: float
    interrupted: bool


def optimize(
    photo: str | Path,
    painting: str | Path | Sequence[str | Path],
    *,
    recipe: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    painting_weights: Sequence[float] | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> OptimizedPicture:
    """Restyle one photo by optimizing its pixels: slow, and the measure of everything else.

    Args:
        photo: a picture file.
        painting: picture file(s) of the style.
        recipe: a .yaml file, or the name of one that ships, such as `reference/gatys`.
        settings: what the options of `fastnst optimize` set, by their names in recipes: `{"steps": 100, "size": 512}`.
            They win over the recipe.
        painting_weights: one a painting (equal if None).
        progress: called after each step with its number and the objective's terms.

    Raises `FastNSTError` for what does not fit together.
    """
    from fastnst.images.arrays import from_unit_floats
    from fastnst.reference.config import check_size, device_of, prepare
    from fastnst.reference.inputs import open_tensor
    from fastnst.reference.optimize import Step, optimize

    chosen = _settings(recipe, settings or {})
    paintings = [painting] if isinstance(painting, str | Path) else list(painting)
    objective = prepare(chosen, [Path(one) for one in paintings], painting_weights)
    image = open_tensor(Path(photo), chosen.size).to(device_of(objective))
    check_size(chosen, objective, image)

    def watch(step: Step, _image: object) -> None:
        if progress is not None:
            progress(step.number, dict(step.terms))

    run = optimize(image, objective, chosen.descent, watcher=watch)
    if not run.history:
        raise KeyboardInterrupt
    last = run.history[-1]
    picture = from_unit_floats(run.image[0].numpy())
    return OptimizedPicture(picture, dict(last.terms), last.number, last.seconds, run.interrupted)


def _settings(recipe: str | Path | None, values: Mapping[str, Any]) -> Settings:
    from fastnst.commands.optimize import RecipeOptions
    from fastnst.errors import ConfigError, suggest
    from fastnst.reference.recipes import read_variants, setting_options, shown

    for name in values:
        if name not in setting_options():
            raise ConfigError(f"optimize has no setting '{name}'.{suggest(name, setting_options())}")
    texts = {name: ["null" if value is None else shown(value)] for name, value in values.items()}
    variants, _ = read_variants(None if recipe is None else Path(recipe), texts, RecipeOptions())
    if len(variants) != 1:
        raise ConfigError(f"{recipe} is a sweep of {len(variants)} variants: give one that has no sweep.")
    return variants[0].settings


def compare(
    model: str | Path,
    photos: str | Path,
    painting: str | Path | Sequence[str | Path],
    *,
    page: str | Path | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Measure a style against per-image optimization on held-out photos.

    Args:
        model: name of a style, or a style model file (.onnx).
        photos: a folder of held-out photos.
        painting: what it was trained on.
        page: write the report with its pictures here (.html) as well.
        options: `count`, `size`, `steps`, `start`, `refine`, `adam`, `check`, `perceptual_weights`, `second`,
            `second_weights`, `provider` and `precision`, as for `fastnst compare`, and `qualities`, its `--iqa`.

    Returns the figures of that command's report.json: `lbfgs_equivalent`, `time_ratio`, `network_objective`, ….
    Raises `FastNSTError` for what does not fit together, a style without a description among it.
    """
    from fastnst.commands.compare import compare as measure
    from fastnst.commands.compare_request import Request
    from fastnst.errors import ConfigError, suggest
    from fastnst.output_files import check_output, write_atomically

    known = {field.name for field in dataclasses.fields(Request)} - {"model", "photos", "painting"}
    for name in options:
        if name not in known:
            raise ConfigError(f"compare has no option '{name}'.{suggest(name, known)}")
    if page is not None:
        check_output(page, overwrite=overwrite)
    paintings = [painting] if isinstance(painting, str | Path) else list(painting)
    summary, html = measure(Request(str(model), Path(photos), tuple(Path(one) for one in paintings), **options))
    if page is not None:
        with write_atomically(page, overwrite=overwrite) as partial:
            partial.write_text(html, encoding="utf-8")
    return summary
