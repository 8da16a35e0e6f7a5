"""N_eq: how many iterations of per-image optimization a network is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def equivalent_iterations(network_total: float, curve: Sequence[float]) -> float | None:
    """N_eq: the number of L-BFGS iterations whose objective equals the network's, between two of them linearly.

    `curve` is the mean objective at iterations 0, 1, 2, … None if the curve never comes down to the network: then N_eq
    is more than the iterations that were run.
    """
    for number, total in enumerate(curve):
        if total <= network_total:
            if number == 0:
                return 0.0
            before = curve[number - 1]
            return number - 1 + (before - network_total) / (before - total)
    return None


def equivalents_in_words(report: Mapping[str, Any]) -> dict[str, str]:
    """N_eq of a report in words, by where L-BFGS started: `the photo`, `noise`, or both."""
    first = "noise" if report.get("start") == "noise" else "the photo"
    found = {first: report["lbfgs_equivalent"]}
    if "lbfgs_equivalent_from_noise" in report:
        found["noise"] = report["lbfgs_equivalent_from_noise"]
    return {
        start: f"{value:.0f}" if value is not None else f"more than {report['iterations']}"
        for start, value in found.items()
    }
