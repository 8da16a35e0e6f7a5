"""N_eq: how many iterations of per-image optimization a network is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


def equivalent_iterations(network_total: float, curve: Sequence[float]) -> float | None:
    """N_eq: the number of L-BFGS iterations whose objective equals the network's, between two of them linearly.

    `curve` is the objective at iterations 0, 1, 2, … None if the curve never comes down to the network: then N_eq is
    more than the iterations that were run.
    """
    for number, total in enumerate(curve):
        if total <= network_total:
            if number == 0:
                return 0.0
            before = curve[number - 1]
            return number - 1 + (before - network_total) / (before - total)
    return None


@dataclass(frozen=True)
class Spread:
    """The median of N_eq over photos with its quartiles. None is more than the iterations that were run."""

    median: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def over(cls, counts: Sequence[float | None]) -> Spread:
        """Of one count a photo, None among them; a photo beyond the iterations counts as beyond every other."""
        values = np.sort([math.inf if count is None else count for count in counts])
        quartiles = [float(np.percentile(values, share, method="inverted_cdf")) for share in (25, 75)]
        middle = len(values) // 2
        # Between a number and infinity there is no middle: np.median would make it infinite as well.
        median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
        return cls(*(None if math.isinf(value) else float(value) for value in (median, *quartiles)))

    def in_words(self, iterations: int) -> str:
        """`24 (17 to 31)`; `more than 100` for what was not reached."""
        if self.median is None:
            return f"more than {iterations}"
        ends = [f"{end:.0f}" if end is not None else f"over {iterations}" for end in (self.lower, self.upper)]
        return f"{self.median:.0f} ({ends[0]} to {ends[1]})"


def equivalents_in_words(report: Mapping[str, Any]) -> dict[str, str]:
    """N_eq of a report in words, by where L-BFGS started: `the photo`, `noise`, or both.

    Reports of version 0.2 have the count of the mean curve and no quartiles.
    """
    first = "noise" if report.get("start") == "noise" else "the photo"
    found = {first: ("lbfgs_equivalent", "lbfgs_equivalent_quartiles")}
    if "lbfgs_equivalent_from_noise" in report:
        found["noise"] = ("lbfgs_equivalent_from_noise", "lbfgs_equivalent_from_noise_quartiles")
    words = {}
    for start, (key, quartiles) in found.items():
        value, ends = report[key], report.get(quartiles)
        if ends is not None:
            words[start] = Spread(value, *ends).in_words(report["iterations"])
        else:
            words[start] = f"{value:.0f}" if value is not None else f"more than {report['iterations']}"
    return words


def strong_wolfe_in_words(report: Mapping[str, Any]) -> str:
    """N_eq from the photo as PyTorch's own L-BFGS counts it; the report has it after `compare --check`."""
    spread = Spread(report["strong_wolfe_equivalent"], *report["strong_wolfe_equivalent_quartiles"])
    return spread.in_words(report["iterations"])
