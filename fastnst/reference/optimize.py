"""Per-image optimization: the pixels of one picture are moved until the objective is low (Gatys et al. 2016)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.losses.config import check_choice
from fastnst.losses.objective import LossTerms, Objective
from fastnst.reference.descent import Descent, DescentState

INITS = ("content", "noise", "blend")
OPTIMIZERS = ("lbfgs", "adam")
STYLE_INIT = "style:"  # followed by a style: its network's picture

_MAX_STEPS, _MAX_SCALES = 1_000_000, 16  # the last of 16 scales has 32,768 times the first one's side
_SEEDS = 1 << 63  # what torch's generators take


@dataclass(frozen=True)
class OptimizeConfig:
    """Settings of the descent.

    Attributes:
        optimizer: `lbfgs` or `adam`.
        steps: iterations at each scale but the last, and at the last; one evaluation of the objective each.
        learning_rate: 1 for L-BFGS (full quasi-Newton steps), about 0.02 for Adam on [0, 1]; None takes these.
        init: start from the photo (`content`), from noise (`noise`), from a mix (`blend`), or from what a trained style
            makes of the photo (`style:NAME`).
        blend: the photo's share in a mix.
        scales: coarse-to-fine: 3 begins at a quarter of the size, goes on at half of it and ends at the full size.
        seed: of the noise.
        projected: clip the picture to [0, 1] at every iteration, as Johnson et al. (2016, section 4.1) did where a
            network, which cannot leave that range, was compared with it; else it is clipped at the end.
    """

    optimizer: str = "lbfgs"
    steps: int = 300
    learning_rate: float | None = None
    init: str = "content"
    blend: float = 0.6
    scales: int = 1
    seed: int = 0
    projected: bool = False

    def validate(self) -> None:
        """Raise `ConfigError`, in one sentence, for a value that means nothing."""
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if not self.init.startswith(STYLE_INIT):
            check_choice("init", self.init, (*INITS, f"{STYLE_INIT}NAME"))
        elif self.scales > 1:
            raise ConfigError(f"init {self.init} starts at the full size: use scales 1, not {self.scales}.")
        for name, count, most in (("steps", self.steps, _MAX_STEPS), ("scales", self.scales, _MAX_SCALES)):
            if not 1 <= count <= most:
                raise ConfigError(f"{name} must be between 1 and {most:,}, not {count}.")
        if not 0 <= self.seed < _SEEDS:
            raise ConfigError(f"seed must be at least 0 and below 2⁶³, not {self.seed}.")
        if not 0 <= self.blend <= 1:
            raise ConfigError(f"blend must be between 0 and 1, not {self.blend}.")
        if self.learning_rate is not None and not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ConfigError(f"learning_rate must be above 0, not {self.learning_rate}.")


@dataclass(frozen=True)
class Step:
    """One evaluation of the objective on the way: the terms, and seconds since the start."""

    number: int
    terms: dict[str, float]
    seconds: float


@dataclass
class Optimized:
    """A finished (or interrupted) optimization.

    Attributes:
        image: the best picture seen, float RGB `[1, 3, H, W]` in [0, 1], on the CPU; before the first step the start.
        history: the terms at every step of every scale.
        restarts: how often a diverging descent was set back to the best picture.
        interrupted: whether Ctrl-C ended it early.
    """

    image: Tensor
    history: list[Step] = field(default_factory=list)
    restarts: int = 0
    interrupted: bool = False


Watcher = Callable[[Step, Tensor], None]


def optimize(
    photo: Tensor,
    objective: Objective,
    config: OptimizeConfig | None = None,
    *,
    start: Tensor | None = None,
    masks: Mapping[str, Tensor] | None = None,
    watcher: Watcher | None = None,
) -> Optimized:
    """Restyle one photo by lowering the objective directly.

    Args:
        photo: float RGB `[1, 3, H, W]` in [0, 1]; its content is kept.
        objective: with its style set.
        config: how.
        start: the picture to start from, of the photo's shape, in place of the configuration's `init`.
        masks: where terms count, `{"content" or "style": [1, 1, H, W] in [0, 1]}`.
        watcher: called with each step's terms and the picture it was measured on.

    Ctrl-C ends it early with the best picture so far, whenever it comes. Raises `ConfigError` for a meaningless
    configuration.
    """
    config = config or OptimizeConfig()
    config.validate()
    sizes = [(photo.shape[2] >> shift, photo.shape[3] >> shift) for shift in range(config.scales - 1, -1, -1)]
    smallest = objective.perceptual.smallest_input(objective.layers)
    if min(sizes[0]) < smallest:
        raise ConfigError(
            f"the photo is {sizes[0][1]}×{sizes[0][0]} pixels at the coarsest scale, but these layers need {smallest}:"
            " use fewer scales, a larger size or shallower layers."
        )
    result = Optimized(initial_image(_resize(photo, sizes[0]), config) if start is None else start.clone())
    started = time.perf_counter()
    try:
        for size in sizes:
            result.image = _resize(result.image, size)
            target = objective.content_target(_resize(photo, size))
            scaled = {term: _resize(mask, size).clamp(0, 1) for term, mask in (masks or {}).items()}
            _descend(result, Descent(objective, target, scaled, **_moves(config)), config.steps, started, watcher)
    except KeyboardInterrupt:
        result.interrupted = True
    result.image = _resize(result.image, sizes[-1]).clamp(0, 1).cpu()
    return result


def _moves(config: OptimizeConfig) -> dict[str, Any]:
    rate = config.learning_rate or (1.0 if config.optimizer == "lbfgs" else 0.02)
    return {"optimizer": config.optimizer, "rate": rate, "projected": config.projected}


def _descend(result: Optimized, descent: Descent, steps: int, started: float, watcher: Watcher | None) -> None:
    """Run one scale; the result's picture is the best one at any time."""
    state = DescentState(result.image, restarts=result.restarts)

    def moved(terms: LossTerms, measured: Tensor) -> None:
        step = Step(len(result.history) + 1, terms.floats(), time.perf_counter() - started)
        result.history.append(step)
        if watcher is not None:
            watcher(step, measured)

    try:
        descent.run(steps, state, moved)
    finally:
        result.image, result.restarts = state.image, state.restarts


def initial_image(photo: Tensor, config: OptimizeConfig) -> Tensor:
    """The start of the optimization: the photo, noise, a mix, or what a style makes of it; float `[1, 3, H, W]`.

    The noise is normal around middle grey with the spread 0.15, on every machine the same for a seed.
    """
    if config.init == "content":
        return photo.clone()
    if config.init.startswith(STYLE_INIT):
        from fastnst.runtime.stylizer import Stylizer

        restyled = Stylizer(config.init.removeprefix(STYLE_INIT))(from_unit_floats(photo[0].cpu().numpy()))
        return torch.from_numpy(to_unit_floats(restyled))[None].to(photo.device)
    generator = torch.Generator().manual_seed(config.seed)
    noise = (torch.randn(photo.shape, generator=generator) * 0.15 + 0.5).clamp(0, 1).to(photo.device)
    share = config.blend if config.init == "blend" else 0.0
    return share * photo + (1 - share) * noise


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size=size, mode="bicubic", antialias=True, align_corners=False)


def terms_in_words(step: Step) -> str:
    """The terms of a step in words, but for those that are 0."""
    return ", ".join(f"{name} {value:.4g}" for name, value in step.terms.items() if value)
