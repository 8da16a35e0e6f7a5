"""Gates that a style has to pass to ship with `make zoo`."""

from __future__ import annotations

from typing import Any

EQUIVALENT_ON_CPU = 50  # iterations of L-BFGS from noise (N_eq); Johnson et al. (2016) report 50 to 100
EQUIVALENT_ON_GPU = 100
LARGEST_GRID = 4.0  # times the photos' own; at 3.2 a grid can be seen at 200 %, not at 100 %
LARGEST_BORDER = 1.5  # times the photos' own
MOST_BLOBS = 0.02  # of the pixels, beyond what the painting has of dark and light areas
LARGEST_ZOO = 40e6  # bytes, of all style model files together


def failed_gates(
    report: dict[str, Any], *, on_gpu: bool, blobs_of_painting: float = 0.0, least_equivalent: float | None = None
) -> list[str]:
    """The gates that a style does not pass, each in words.

    Args:
        report: of `fastnst compare`.
        on_gpu: whether a GPU trained it.
        blobs_of_painting: the painting's own share of dark and light areas.
        least_equivalent: takes the place of N_eq's gate.
    """
    wanted: float = EQUIVALENT_ON_GPU if on_gpu else EQUIVALENT_ON_CPU
    if least_equivalent is not None:
        wanted = least_equivalent
    # Counted from noise, as those who published such numbers did; a report of `--start content` has the photo's only.
    key, start = ("lbfgs_equivalent_from_noise", " from noise")
    if key not in report:
        key, start = ("lbfgs_equivalent", "")
    # None: the curve never came down to the network, so that N_eq is more than the iterations that were run.
    equivalent = report["iterations"] if report[key] is None else report[key]
    network, photo = report["measures"]["network"], report["measures"]["photo"]
    reasons = []
    if equivalent < wanted:
        reasons.append(f"N_eq{start} {equivalent:.0f} is below {wanted:g} ({'GPU' if on_gpu else 'CPU'})")
    for name, label, value, most in (
        ("grid", "grid energy", network["grid"] / photo["grid"], LARGEST_GRID),
        ("border", "border energy", network["border"] / photo["border"], LARGEST_BORDER),
        ("blobs", "share of blobs", network["blobs"], MOST_BLOBS + blobs_of_painting),
    ):
        if value > most:
            reasons.append(f"{label} {value:.3g} is above {most:g}{'' if name == 'blobs' else ' times the photos'}")
    return reasons
