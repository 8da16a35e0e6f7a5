"""Per-image optimization: the pixels of one picture are moved until the objective is low (Gatys et al. 2016)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.errors import ConfigError
from fastnst.losses.config import check_choice
from fastnst.losses.objective import LossTerms, Objective
from fastnst.losses.term import ContentTarget

log = logging.getLogger(__name__)

INITS = ("content", "noise", "blend")
OPTIMIZERS = ("lbfgs", "adam")
# Pairs of steps and gradients that L-BFGS remembers. Nocedal & Wright (2006, ch. 7) advise 3 to 20; PyTorch's 100 costs
# more memory traffic a step than the network does.
_HISTORY = 20
_DIVERGED = 4.0  # times the best objective
_MOST_RESTARTS = 8


@dataclass(frozen=True)
class OptimizeConfig:
    """How the pixels are moved.

    Attributes:
        optimizer: `lbfgs` or `adam`.
        steps: iterations at each scale but the last, and at the last; one evaluation of the objective each.
        learning_rate: 1 for L-BFGS (a full quasi-Newton step), about 0.02 for Adam on [0, 1]; None takes these.
        init: start from the photo (`content`), from noise (`noise`), or from a mix (`blend`).
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
        check_choice("init", self.init, INITS)
        for name, count in (("steps", self.steps), ("scales", self.scales)):
            if count < 1:
                raise ConfigError(f"{name} must be at least 1, not {count}.")
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
        restarts: how often a diverging L-BFGS was set back to the best picture with a smaller step.
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
    masks: Mapping[str, Tensor] | None = None,
    watcher: Watcher | None = None,
) -> Optimized:
    """Restyle one photo by lowering the objective directly.

    Args:
        photo: float RGB `[1, 3, H, W]` in [0, 1]; its content is kept.
        objective: with its style set.
        config: how.
        masks: where terms count, `{"content" or "style": [1, 1, H, W] in [0, 1]}`.
        watcher: called with each step's terms and the picture it was measured on.

    Ctrl-C ends it early with the best picture so far, whenever it comes. Raises `ConfigError` for a meaningless
    configuration.
    """
    config = config or OptimizeConfig()
    config.validate()
    sizes = [(photo.shape[2] >> shift, photo.shape[3] >> shift) for shift in range(config.scales - 1, -1, -1)]
    least = objective.perceptual.smallest_input(objective.layers)
    if min(sizes[0]) < least:
        raise ConfigError(
            f"the photo is {sizes[0][1]}×{sizes[0][0]} pixels at the coarsest scale, but these layers need {least}:"
            " use fewer scales, a larger size or shallower layers."
        )
    start = initial_image(_resize(photo, sizes[0]), config)
    result = Optimized(start)
    started = time.perf_counter()
    try:
        for size in sizes:
            result.image = _resize(result.image, size)
            target = objective.content_target(_resize(photo, size))
            scaled = {term: _resize(mask, size).clamp(0, 1) for term, mask in (masks or {}).items()}
            _Descent(objective, target, scaled, config, started, watcher).run(result)
    except KeyboardInterrupt:
        result.interrupted = True
    result.image = _resize(result.image, sizes[-1]).clamp(0, 1).cpu()
    return result


def initial_image(photo: Tensor, config: OptimizeConfig) -> Tensor:
    """Where the optimization starts: the photo, noise, or a mix; float `[1, 3, H, W]`.

    The noise is normal around middle grey with the spread 0.15, on every machine the same for a seed.
    """
    if config.init == "content":
        return photo.clone()
    generator = torch.Generator().manual_seed(config.seed)
    noise = (torch.randn(photo.shape, generator=generator) * 0.15 + 0.5).clamp(0, 1).to(photo.device)
    share = config.blend if config.init == "blend" else 0.0
    return share * photo + (1 - share) * noise


class _Descent:
    """One scale of an optimization."""

    def __init__(
        self,
        objective: Objective,
        target: ContentTarget,
        masks: Mapping[str, Tensor],
        config: OptimizeConfig,
        started: float,
        watcher: Watcher | None,
    ) -> None:
        self.objective, self.target, self.masks = objective, target, masks
        self.config, self.started, self.watcher = config, started, watcher
        self.best = math.inf

    def run(self, result: Optimized) -> None:
        """Descend from the result's picture, which is the best one at any time; steps are appended to its history."""
        image = (
            result.image.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        )  # as L-BFGS wants it
        rate = self.config.learning_rate or (1.0 if self.config.optimizer == "lbfgs" else 0.02)
        optimizer = self._optimizer(image, rate)
        for _ in range(self.config.steps):
            before = image.detach().clone()
            terms = self._step(optimizer, image)
            if self.config.projected:
                image.data.clamp_(0, 1)
            total = float(terms.total)
            if total < self.best:
                self.best, result.image = total, before
            step = Step(len(result.history) + 1, terms.floats(), time.perf_counter() - self.started)
            result.history.append(step)
            if self.watcher is not None:
                self.watcher(step, before)
            if not math.isfinite(total) or total > _DIVERGED * self.best:
                result.restarts += 1
                if result.restarts > _MOST_RESTARTS:
                    log.warning(
                        "the optimization keeps diverging at step %d: it ends with the best picture.", step.number
                    )
                    break
                # The first time it is enough to forget the curvature that misled it: half the step slows what follows.
                rate /= 2 if result.restarts > 1 else 1
                log.warning(
                    "step %d diverged (objective %.4g, best %.4g): back to the best picture%s.",
                    *(step.number, total, self.best, " with half the step" if result.restarts > 1 else ""),
                )
                image = result.image.clone().requires_grad_()
                optimizer = self._optimizer(image, rate)

    def _step(self, optimizer: torch.optim.Optimizer, image: Tensor) -> LossTerms:
        found: list[LossTerms] = []

        def closure() -> Tensor:
            optimizer.zero_grad()
            terms = self.objective(image, self.target, masks=self.masks)
            total: Tensor = terms.total.sum()
            torch.autograd.backward(total)
            found.append(terms.detach())
            return total

        optimizer.step(closure)  # type: ignore[arg-type]  # torch's stub knows float closures only
        return found[0]

    def _optimizer(self, image: Tensor, rate: float) -> torch.optim.Optimizer:
        if self.config.optimizer == "adam":
            return torch.optim.Adam([image], lr=rate)
        # One iteration a call is one evaluation a step, with the history kept between calls. With tolerances of 0
        # it never stops early on its own; PyTorch's defaults end a run silently when gradients are small.
        return torch.optim.LBFGS(
            [image], lr=rate, max_iter=1, history_size=_HISTORY, tolerance_grad=0.0, tolerance_change=0.0
        )


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size=size, mode="bicubic", antialias=True, align_corners=False)


def told_terms(step: Step) -> str:
    """The terms of a step in words, but for those that are 0."""
    return ", ".join(f"{name} {value:.4g}" for name, value in step.terms.items() if value)
