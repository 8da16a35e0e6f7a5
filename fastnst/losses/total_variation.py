"""The total variation term: pictures should be smooth."""

from __future__ import annotations

from torch import Tensor

from fastnst.losses.statistics import total_variation
from fastnst.losses.term import LossTerm, TermInputs


class TotalVariationTerm(LossTerm):
    """Squared differences between neighbouring pixels (`statistics.total_variation`)."""

    name = "tv"
    label = "total variation"
    about = "weight of the total variation term."
    needs = frozenset({"pixels"})
    always = True

    def forward(self, inputs: TermInputs) -> Tensor:
        """`[N]`."""
        return total_variation(inputs.images)
