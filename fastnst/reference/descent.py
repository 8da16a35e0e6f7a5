"""One descent: pixels of one size are moved until the objective is low, by L-BFGS or Adam, and never run away."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fastnst.losses.objective import LossTerms, Objective
from fastnst.losses.term import ContentTarget

log = logging.getLogger(__name__)

# Pairs of steps and gradients that L-BFGS remembers. Nocedal & Wright (2006, ch. 7) advise 3 to 20; PyTorch's 100 costs
# more memory traffic a step than the network does.
HISTORY = 20
# L-BFGS's first step, which knows no curvature, as the root mean square of the pixels' change. PyTorch's (an L1 norm of
# 1 over all pixels) is below what bfloat16 features can see: the curvature that it measures is noise.
FIRST_STEP = 0.005
MAX_STEP = 0.2  # likewise; a quasi-Newton step beyond it left the region in which its curvature was measured
# A step may raise the objective if it stays below the worst of the last few (Grippo, Lampariello & Lucidi 1986).
_RECENT_OBJECTIVES = 3
_REFUSED_STEP_FACTOR = 0.25  # what a refused step is multiplied with
_MAX_REFUSALS_IN_A_ROW = 4  # in a row; then the curvature is forgotten
_MAX_RESTARTS = 8
_MAX_OBJECTIVE_RATIO = 4.0  # times the best objective, for Adam, which has no line search

Moved = Callable[[LossTerms, Tensor], None]


@dataclass
class DescentState:
    """The best picture so far, float RGB `[1, 3, H, W]`, its objective, and how often the descent began anew."""

    image: Tensor
    best: float = math.inf
    restarts: int = 0


class Descent:
    """Lower an objective by the pixels of one picture. One step is one evaluation of the objective and its gradient.

    L-BFGS is PyTorch's with its history of `HISTORY` steps, and four safeguards of ours: the first step has a size in
    pixels' units, no step is longer than `MAX_STEP`, a step that raises the objective is refused and tried again at
    a quarter of its length (which costs an evaluation), and what the history remembers is how far the pixels really
    moved, after shortening and after clipping.

    Args:
        objective: with its style set.
        target: of the photo.
        masks: by term.
        optimizer: `lbfgs` or `adam`.
        rate: of Adam; for L-BFGS what its steps are multiplied with.
        projected: clip to [0, 1] at every step.
    """

    def __init__(
        self,
        objective: Objective,
        target: ContentTarget,
        masks: Mapping[str, Tensor],
        *,
        optimizer: str,
        rate: float,
        projected: bool,
    ) -> None:
        self.objective, self.target, self.masks = objective, target, masks
        self.projected, self.rate, self.uses_lbfgs = projected, rate, optimizer == "lbfgs"

    def run(self, steps: int, state: DescentState, moved: Moved) -> None:
        """Take at most `steps` steps from the state's picture; `moved` is called at each with what was measured."""
        # Contiguous, as L-BFGS wants it.
        self._image = state.image.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        self._restart()
        for _ in range(steps):
            measured = self._image.detach().clone()
            terms = self._evaluate()
            total = float(terms.total)
            if total < state.best:
                state.best, state.image = total, measured
            moved(terms, measured)
            if self._is_refused(total, state.best):
                if self.uses_lbfgs and self._base is not None and self._refusals < _MAX_REFUSALS_IN_A_ROW:
                    self._shorten()
                    continue
                state.restarts += 1
                if state.restarts > _MAX_RESTARTS:
                    log.warning("the optimization keeps diverging: it ends with the best picture.")
                    return
                log.warning("a step diverged (objective %.4g, best %.4g): back to the best picture.", total, state.best)
                self.rate /= 2 if state.restarts > 1 else 1
                self._image = state.image.clone().requires_grad_()
                self._restart()
                continue
            self._accept(total, measured)

    def _restart(self) -> None:
        self._optimizer = self._new_optimizer()
        self._base: Tensor | None = None  # where the step that is being tried began
        self._recent: deque[float] = deque(maxlen=_RECENT_OBJECTIVES)
        self._refusals = 0

    def _new_optimizer(self) -> torch.optim.Optimizer:
        if not self.uses_lbfgs:
            return torch.optim.Adam([self._image], lr=self.rate)
        # One iteration a call, with the history kept between calls. With tolerances of 0 it never stops early on its
        # own; PyTorch's defaults end a run silently when gradients are small.
        return torch.optim.LBFGS(
            [self._image], lr=self.rate, max_iter=1, history_size=HISTORY, tolerance_grad=0.0, tolerance_change=0.0
        )

    def _evaluate(self) -> LossTerms:
        self._image.grad = None
        terms = self.objective(self._image, self.target, masks=self.masks)
        torch.autograd.backward(terms.total.sum())
        return terms.detach()  # type: ignore[no-any-return]

    def _is_refused(self, total: float, best: float) -> bool:
        if not math.isfinite(total):
            return True
        if not self.uses_lbfgs:
            return total > _MAX_OBJECTIVE_RATIO * best
        return bool(self._recent) and total > max(self._recent)

    def _accept(self, total: float, measured: Tensor) -> None:
        """Take the picture as the new base, and move on from it."""
        first = self._base is None
        self._recent.append(total)
        self._base, self._refusals = measured, 0
        self._optimizer.step(lambda: total)
        moved = self._image.detach() - measured
        if self.uses_lbfgs:
            length = float(moved.square().mean().sqrt())
            if first and length > 0:
                moved = moved * (FIRST_STEP * min(1.0, self.rate) / length)
            elif length > MAX_STEP or not math.isfinite(length):
                moved = moved * (MAX_STEP / length) if math.isfinite(length) else torch.zeros_like(moved)
        self._move(moved)

    def _shorten(self) -> None:
        """Try the last step again, shorter."""
        assert self._base is not None
        self._refusals += 1
        self._move((self._image.detach() - self._base) * _REFUSED_STEP_FACTOR)

    def _move(self, moved: Tensor) -> None:
        assert self._base is not None
        ends = self._base + moved
        if self.projected:
            ends = ends.clamp(0, 1)
        with torch.no_grad():
            self._image.copy_(ends)
        if self.uses_lbfgs:  # its next pair is (t · d, change of the gradient): what really was the step
            memory = self._optimizer.state[self._image]
            memory["d"], memory["t"] = (ends - self._base).flatten(), 1.0
