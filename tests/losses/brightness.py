"""A loss term as a newcomer would write it."""

from __future__ import annotations

from torch import Tensor

from fastnst.losses.term import LossTerm, TermInputs


class BrightnessTerm(LossTerm):
    """The squared difference of the mean brightness from the photo's."""

    name = "brightness"
    label = "brightness"
    about = "weight of the brightness term."
    needs = frozenset({"pixels"})
    masked = True

    def forward(self, inputs: TermInputs) -> Tensor:
        """`[N]`."""
        difference: Tensor = inputs.images - inputs.photos.photos
        return difference.mean((1, 2, 3)).square()
