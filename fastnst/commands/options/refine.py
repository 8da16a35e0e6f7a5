"""The options of a refinement: L-BFGS goes on from a style's picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fastnst.errors import ConfigError, MissingDependencyError
from fastnst.runtime.models.style_spec import StyleChoice


@dataclass(frozen=True)
class RefineOptions:
    """The refinement asked for.

    Attributes:
        steps: iterations of L-BFGS for each picture.
        paintings: what the style was trained on.
        perceptual_weights: a local weights file of the style's perceptual network.
    """

    steps: int
    paintings: tuple[Path, ...]
    perceptual_weights: str | None = None

    def check_styles(self, styles: Sequence[StyleChoice]) -> None:
        """Raise `ConfigError` for more than one style: a painting is that of one."""
        if len(styles) > 1 or len(styles[0].paths) > 1:
            raise ConfigError("--refine goes on with the painting of one style: give one --style, and no mix.")


def add_refine_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    group = parser.add_argument_group('refinement (needs pip install "fastnst[train]")')
    group.add_argument(
        "--refine", type=int, metavar="N",
        help="go on from the style's picture with N iterations of per-image optimization: seconds to minutes a photo in"
        " place of milliseconds, for finer strokes; 10 to 40 are worth their time",
    )  # fmt: skip
    group.add_argument(
        "--painting", nargs="+", type=Path, metavar="FILE", help="what the style was trained on, for --refine"
    )
    group.add_argument(
        "--perceptual-weights", metavar="FILE", help="a local weights file for the style's perceptual network"
    )


def read_refine_options(arguments: argparse.Namespace) -> RefineOptions | None:
    """The parsed options; None if no refinement was asked for.

    Raises `ConfigError` for what does not fit together, `MissingDependencyError` without PyTorch.
    """
    if arguments.refine is None:
        for option, value in (("painting", arguments.painting), ("perceptual-weights", arguments.perceptual_weights)):
            if value is not None:
                raise ConfigError(f"--{option} belongs to --refine N: give that as well, or leave it out.")
        return None
    if arguments.refine < 1:
        raise ConfigError(f"--refine must be at least 1 iteration, not {arguments.refine}.")
    if not arguments.painting:
        raise ConfigError(
            "--refine needs the painting that the style was trained on, which its file does not hold: --painting FILE."
        )
    if find_spec("torch") is None:
        raise MissingDependencyError('--refine needs PyTorch: pip install "fastnst[train]".')
    return RefineOptions(arguments.refine, tuple(arguments.painting), arguments.perceptual_weights)
