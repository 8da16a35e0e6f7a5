"""A trained network against per-image optimization, on the same objective and the same held-out photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

from fastnst.images.arrays import to_unit_floats
from fastnst.losses.objective import Objective
from fastnst.metrics.artifacts import blob_share, border_energy, grid_energy, saturated_share
from fastnst.metrics.equivalent_iterations import Spread, equivalent_iterations
from fastnst.reference.config import device_of
from fastnst.reference.curves import Curve, descend, strong_wolfe
from fastnst.reference.descent import FIRST_STEP, HISTORY
from fastnst.reference.optimize import OptimizeConfig, Step
from fastnst.reference.second import Judges
from fastnst.runtime.stylizer import Stylizer

SHOWN_STEPS = (10, 20, 50, 100, 200, 500)
REFINED, PHOTO, NOISE, ADAM, CHECK = "refined", "photo", "noise", "adam", "strong_wolfe"


@dataclass(frozen=True)
class Ways:
    """Which descents a comparison makes, each photo by photo.

    Attributes:
        starts: of L-BFGS: `photo`, which gets further in as many iterations, `noise`, which Johnson et al. (2016)
            started from, or both; the first is what N_eq and the time ratio are counted by.
        steps: evaluations of each.
        refined: evaluations of L-BFGS from the network's picture; 0 leaves it out.
        adam: Adam from the photo as well.
        check: PyTorch's L-BFGS with its strong-Wolfe line search as well.
    """

    starts: tuple[str, ...] = (PHOTO, NOISE)
    steps: int = 150
    refined: int = 40
    adam: bool = True
    check: bool = False

    @property
    def evaluations(self) -> int:
        """Evaluations of the objective for one photo."""
        return self.refined + self.steps * (len(self.starts) + self.adam + self.check)


@dataclass(frozen=True)
class Compared:
    """One photo in the comparison.

    Attributes:
        photo, network: the pictures.
        network_terms: the objective of the network's picture.
        photo_terms: the objective of the photo itself.
        network_seconds: what the network took.
        curves: of the descents, by way.
        measures: artifact measures, SSIM to the photo and the second network's figures, by picture: `photo`, `network`,
            `refined`, `optimization`.
    """

    name: str
    photo: Image.Image
    network: Image.Image
    network_terms: dict[str, float]
    photo_terms: dict[str, float]
    network_seconds: float
    curves: dict[str, Curve]
    measures: dict[str, dict[str, float]]

    def equivalent(self, way: str) -> float | None:
        """N_eq of this photo by a descent."""
        return equivalent_iterations(self.network_terms["total"], self.curves[way].totals)


def compare_photo(
    name: str,
    photo: Image.Image,
    stylizer: Stylizer,
    objective: Objective,
    ways: Ways,
    judges: Judges | None = None,
    watcher: Callable[[Step, torch.Tensor], None] | None = None,
) -> Compared:
    """Restyle one photo every way and measure all of them.

    Args:
        photo: mode RGB, at the size of the comparison.
        objective: what the network was trained on, its style set.
        ways: the descents. Their pictures are clipped to [0, 1] at each step, as the network's are.
        judges: what measures the pictures beside the objective.
        watcher: called at each step.
    """
    device = device_of(objective)
    stylizer(photo)  # the first call for a size allocates
    started = time.perf_counter()
    network = stylizer(photo)
    network_seconds = time.perf_counter() - started
    pixels, restyled = _tensor(photo, device), _tensor(network, device)
    target = objective.content_target(pixels)
    with torch.no_grad():
        terms = {label: objective(one, target).floats() for label, one in (("network", restyled), ("photo", pixels))}

    def run(config: OptimizeConfig, start: torch.Tensor | None = None) -> Curve:
        return descend(pixels, objective, config, start=start, shown=SHOWN_STEPS, watcher=watcher)

    curves: dict[str, Curve] = {}
    for start in ways.starts:
        init = "content" if start == PHOTO else start
        curves[start] = run(OptimizeConfig(steps=ways.steps, init=init, projected=True))
    if ways.refined:
        curves[REFINED] = run(OptimizeConfig(steps=ways.refined, projected=True), restyled)
    if ways.adam:
        curves[ADAM] = run(OptimizeConfig(optimizer="adam", steps=ways.steps, projected=True))
    if ways.check:
        curves[CHECK] = strong_wolfe(pixels, objective, ways.steps)
    pictures = {"photo": photo, "network": network, "optimization": curves[ways.starts[0]].best}
    if ways.refined:
        pictures["refined"] = curves[REFINED].best
    judges = judges or Judges()
    measures = {label: measure_picture(picture, photo, judges, device) for label, picture in pictures.items()}
    return Compared(name, photo, network, terms["network"], terms["photo"], network_seconds, curves, measures)


def summarize(compared: Sequence[Compared], ways: Ways) -> dict[str, Any]:
    """The report's numbers: means over the photos, N_eq with its spread, times and their ratio, the frontier."""
    first = ways.starts[0]
    network = _means([one.network_terms for one in compared])
    seconds = float(np.mean([one.network_seconds for one in compared]))
    frontier = {way: _over_photos([one.curves[way] for one in compared]) for way in compared[0].curves}
    for points in [frontier[REFINED]] if REFINED in frontier else []:
        points["seconds"] = [seconds + spent for spent in points["seconds"]]
    curve = frontier[first]["objective"]
    slow_seconds = frontier[first]["seconds"][-1]
    summary: dict[str, Any] = {
        "photos": len(compared),
        "pixels": [one.photo.size for one in compared],
        "iterations": ways.steps,
        "start": "both" if len(ways.starts) > 1 else {PHOTO: "content"}.get(first, first),
        "network_objective": network,
        "photo_objective": float(np.mean([one.photo_terms["total"] for one in compared])),
        "lbfgs_objective": {str(step): curve[step - 1] for step in {*SHOWN_STEPS, ways.steps} if step <= ways.steps},
        "network_seconds": seconds,
        "lbfgs_seconds": slow_seconds,
        "time_ratio": slow_seconds / seconds,
        "measures": {label: _means([one.measures[label] for one in compared]) for label in compared[0].measures},
        "curve": curve,
        "frontier": frontier,
        "lbfgs": {"history": HISTORY, "first_step": FIRST_STEP, "projected": True, "evaluations_per_iteration": 1},
        "per_photo": [_one_photo(one, ways) for one in compared],
    }
    summary |= _equivalents(compared, "lbfgs_equivalent", first)
    if first != NOISE and NOISE in ways.starts:
        summary["noise_curve"] = frontier[NOISE]["objective"]
        summary |= _equivalents(compared, "lbfgs_equivalent_from_noise", NOISE)
    if ways.check:
        summary |= _equivalents(compared, "strong_wolfe_equivalent", CHECK)
    return summary


def _over_photos(curves: Sequence[Curve]) -> dict[str, list[float]]:
    """Mean objective with its quartiles, and mean seconds, at every evaluation."""
    totals = [curve.totals for curve in curves]
    lower, upper = np.percentile(totals, (25, 75), axis=0)
    mean, seconds = np.mean(totals, axis=0), np.mean([curve.seconds for curve in curves], axis=0)
    return {
        "objective": mean.tolist(),
        "lower_quartile": lower.tolist(),
        "upper_quartile": upper.tolist(),
        "seconds": seconds.tolist(),
    }


def _one_photo(one: Compared, ways: Ways) -> dict[str, Any]:
    ends = {way: curve.totals[-1] for way, curve in one.curves.items()}
    counts = {way: one.equivalent(way) for way in (*ways.starts, *([CHECK] if ways.check else []))}
    return {
        "name": one.name,
        "network": one.network_terms["total"],
        "last": ends,
        "equivalent": counts,
        "measures": one.measures,
    }


def _equivalents(compared: Sequence[Compared], key: str, way: str) -> dict[str, Any]:
    spread = Spread.over([one.equivalent(way) for one in compared])
    found = asdict(spread)
    return {key: found["median"], f"{key}_quartiles": [found["lower"], found["upper"]]}


def _means(several: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([one[key] for one in several])) for key in several[0]}


def measure_picture(picture: Image.Image, photo: Image.Image, judges: Judges, device: torch.device) -> dict[str, float]:
    """SSIM to the photo, artifacts, and the judges' figures of a picture; both mode RGB, of one size."""
    pixels = np.asarray(picture)
    similarity = ssim(_tensor(picture, device), _tensor(photo, device), data_range=1.0)
    assert isinstance(similarity, torch.Tensor)
    values = {
        "ssim": float(similarity),
        "grid": grid_energy(pixels),
        "border": border_energy(pixels),
        "saturated": saturated_share(pixels),
        "blobs": blob_share(pixels, None if picture is photo else np.asarray(photo)),
    }
    return values | judges.measure(_tensor(picture, device), _tensor(photo, device))


def _tensor(image: Image.Image, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(to_unit_floats(image))[None].to(device)
