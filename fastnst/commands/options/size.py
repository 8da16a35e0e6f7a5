"""A picture's size as users write it: `1280x720`, or a name such as `720p`."""

from __future__ import annotations

from collections.abc import Mapping

from fastnst.errors import ConfigError, suggest
from fastnst.runtime.models.style_model import MIN_SIDE

SIZES = {"360p": (360, 640), "720p": (720, 1280), "1080p": (1080, 1920), "4K": (2160, 3840)}
_MAX_DIGITS = 5


def parse_size(text: str, names: Mapping[str, tuple[int, int]] = SIZES) -> tuple[int, int]:
    """`(height, width)` of a name or of `1280x720`. Raises `ConfigError` for anything else."""
    if text in names:
        return names[text]
    width, _, height = text.lower().partition("x")
    sides = [int(side) if side.isascii() and side.isdigit() and len(side) <= _MAX_DIGITS else 0
             for side in (height, width)]  # fmt: skip
    if min(sides) < MIN_SIDE:
        raise ConfigError(
            f"unknown size '{text}'.{suggest(text, names)} Give {', '.join([*names, 'WIDTHxHEIGHT'])} of"
            f" {MIN_SIDE} to {10**_MAX_DIGITS - 1} pixels a side."
        )
    return sides[0], sides[1]
