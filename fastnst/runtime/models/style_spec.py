"""Values of `--style` and `--movement`: one style, or several with weights."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastnst.errors import ConfigError
from fastnst.runtime.models.catalog import available_styles, described_styles, is_file, plain, resolve_style, styles_of

_MIX_HINT = "write a mix as starry_night:0.7,mine.onnx:0.3, or without weights for equal parts"


@dataclass(frozen=True)
class StyleChoice:
    """One style, or a mix of several.

    Attributes:
        name: for files and reports: `starry_night`, or `starry_night-70_mine-30`.
        paths: the style model files.
        weights: one each, positive, with the sum 1.
    """

    name: str
    paths: tuple[Path, ...]
    weights: tuple[float, ...]


def choose(style: str | Path | StyleChoice) -> StyleChoice:
    """A style's name, a style model file, or a mix of both: `a:0.7,b:0.3`, or `a,b` in equal parts.

    Weights are positive numbers of any sum; a style that is named twice gets both its weights.
    Raises `StyleNotFoundError` for an unknown name and `ConfigError` for a mix that means nothing.
    """
    if isinstance(style, StyleChoice):
        return style
    if isinstance(style, Path) or _is_single(style):
        path = resolve_style(style)
        return StyleChoice(path.stem, (path,), (1.0,))
    parts = [_split_weight(part.strip(), style) for part in style.split(",")]
    weights = [weight for _, weight in parts if weight is not None]
    if weights and len(weights) < len(parts):
        raise ConfigError(f"the mix '{style}' gives only some of its styles a weight: {_MIX_HINT}.")
    if len(parts) == 1:
        name, weight = parts[0]
        if weight is None:  # a file with a colon in its path
            path = resolve_style(name)
            return StyleChoice(path.stem, (path,), (1.0,))
        raise ConfigError(
            f"'{style}' is one style with a weight, which mixes nothing: take --style {name} with --strength {weight:g}"
            " for less of it, or name a second style."
        )
    return mix_of([resolve_style(name) for name, _ in parts], weights or None)


def choose_movement(movement: str) -> StyleChoice:
    """The installed style of a movement, or all of its styles in equal parts; of one painting's several only the first.

    A whole name goes before a part of one; case and accents do not count. Raises `ConfigError`, with the movements
    that there are, where none fits.
    """
    found = styles_of("movement", movement, described_styles())
    installed = available_styles()
    by_painting: dict[str, str] = {}
    for name, metadata in found.items():
        by_painting.setdefault(metadata.painting_sha256 or name, name)
    found = {name: found[name] for name in by_painting.values()}
    if len(found) == 1:
        return choose(installed[next(iter(found))])
    mix = mix_of([installed[name] for name in found])
    names = {plain(metadata.movement) for metadata in found.values()}
    slug = re.sub(r"\W+", "-", names.pop() if len(names) == 1 else plain(movement)).strip("-")
    return StyleChoice(slug, mix.paths, mix.weights)


def mix_of(paths: Sequence[Path], weights: Sequence[float] | None = None) -> StyleChoice:
    """Style model files with positive weights of any sum; None weighs them equally."""
    merged: dict[Path, float] = {}
    for path, weight in zip(paths, weights or [1.0] * len(paths), strict=True):
        merged[path] = merged.get(path, 0.0) + weight
    total = sum(merged.values())
    if not math.isfinite(total):
        raise ConfigError("the weights of a mix are too large: their sum must be a number.")
    shares = tuple(weight / total for weight in merged.values())
    if len(merged) == 1:
        return choose(next(iter(merged)))
    name = "_".join(f"{path.stem}-{100 * share:.0f}" for path, share in zip(merged, shares, strict=True))
    return StyleChoice(name, tuple(merged), shares)


def _is_single(text: str) -> bool:
    """True if a text names one style; file names may have commas and colons (`C:\\styles\\mine.onnx`) too."""
    return not re.search("[,:]", text.removeprefix("hf:")) or text in available_styles() or is_file(text)


def _split_weight(part: str, mix: str) -> tuple[str, float | None]:
    name, colon, number = part.rpartition(":")
    if not part or (colon and not name):
        raise ConfigError(f"the mix '{mix}' has a part without a style: {_MIX_HINT}.")
    if not colon or part.endswith(".onnx") or name == "hf":  # a file of Windows, an address of the hub
        return part, None
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ConfigError(f"the weight of {name} must be a positive number, not '{number}': {_MIX_HINT}.")
    return name, weight
