"""A trained network against per-image optimization, on the same objective and the same held-out photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastnst.images.arrays import from_unit_floats, to_unit_floats
from fastnst.losses.objective import Objective
from fastnst.metrics.artifacts import blob_share, border_energy, grid_energy, saturated_share
from fastnst.metrics.equivalent_iterations import equivalent_iterations
from fastnst.reference.optimize import OptimizeConfig, Optimized, Step, optimize
from fastnst.runtime.stylizer import Stylizer

SHOWN_STEPS = (50, 200, 500)


@dataclass
class Compared:
    """One photo in the comparison.

    Attributes:
        photo, network: the pictures.
        optimized: pictures after `SHOWN_STEPS` iterations (those that were reached), by step.
        network_terms: the objective of the network's picture.
        photo_terms: the objective of the photo itself.
        curve: the objective's total at every iteration of L-BFGS.
        noise_curve: the same from noise, where both were asked for.
        network_seconds, optimization_seconds: wall-clock times.
        measures: artifact measures, SSIM to the photo, and distances on the second perceptual network, of the
            network's picture and of the last optimized one.
    """

    name: str
    photo: Image.Image
    network: Image.Image
    network_terms: dict[str, float]
    photo_terms: dict[str, float]
    curve: list[float] = field(default_factory=list)
    noise_curve: list[float] = field(default_factory=list)
    optimized: dict[int, Image.Image] = field(default_factory=dict)
    network_seconds: float = 0.0
    optimization_seconds: float = 0.0
    measures: dict[str, dict[str, float]] = field(default_factory=dict)


def compare_photo(
    name: str,
    photo: Image.Image,
    stylizer: Stylizer,
    objective: Objective,
    steps: int,
    second: Objective | None = None,
    watcher: Callable[[Step, torch.Tensor], None] | None = None,
    *,
    start: str = "both",
) -> Compared:
    """Restyle one photo both ways and measure both.

    Args:
        photo: mode RGB, at the size of the comparison.
        objective: what the network was trained on, its style set.
        steps: iterations of L-BFGS, its pictures clipped to [0, 1] at each as the network's are.
        second: the objective on a perceptual network that the training did not use, or None.
        watcher: called at each iteration.
        start: where L-BFGS starts: `content`, the photo, which gets further in as many iterations than `noise`, which
            Johnson et al. (2016) started from; or `both`, one after the other, pictures and times being the photo's.
    """
    device = next(objective.perceptual.convolutions.parameters()).device
    stylizer(photo)  # the first call for a size allocates
    started = time.perf_counter()
    network = stylizer(photo)
    network_seconds = time.perf_counter() - started
    tensor = _tensor(photo, device)
    target = objective.content_target(tensor)
    with torch.no_grad():
        network_terms = objective(_tensor(network, device), target).floats()
        photo_terms = objective(tensor, target).floats()
    found = Compared(name, photo, network, network_terms, photo_terms, network_seconds=network_seconds)

    def keep(step: Step, image: torch.Tensor) -> None:
        if step.number in SHOWN_STEPS and step.number < steps:
            found.optimized[step.number] = from_unit_floats(image[0].float().cpu().numpy())
        if watcher is not None:
            watcher(step, image)

    init = "content" if start == "both" else start
    run = _descent(tensor, objective, steps, init, keep)
    found.curve, found.optimization_seconds = best_so_far(run, steps), run.history[-1].seconds
    if start == "both":
        found.noise_curve = best_so_far(_descent(tensor, objective, steps, "noise", watcher), steps)
    slow = from_unit_floats(run.image[0].numpy())
    found.optimized[steps] = slow  # the best, also where the descent ended early
    for label, picture in (("photo", photo), ("network", network), ("optimization", slow)):
        found.measures[label] = _measures(picture, photo, second, device)
    return found


def _descent(
    photo: torch.Tensor,
    objective: Objective,
    steps: int,
    init: str,
    watcher: Callable[[Step, torch.Tensor], None] | None,
) -> Optimized:
    run = optimize(photo, objective, OptimizeConfig(steps=steps, init=init, projected=True), watcher=watcher)
    if run.interrupted:
        raise KeyboardInterrupt
    return run


def best_so_far(run: Optimized, steps: int) -> list[float]:
    """The lowest objective up to each of `steps` iterations.

    A step that diverged is set back, so the best is what counts; a descent that ended early keeps its last value.
    """
    totals = np.full(steps, np.nan)
    totals[: len(run.history)] = [step.terms["total"] for step in run.history]
    curve: list[float] = np.fmin.accumulate(totals).tolist()
    return curve


def summarize(compared: Sequence[Compared]) -> dict[str, Any]:
    """The report's numbers: means over the photos, N_eq, times and their ratio."""
    curve = np.mean([one.curve for one in compared], axis=0).tolist()
    network = {
        term: float(np.mean([one.network_terms[term] for one in compared])) for term in compared[0].network_terms
    }
    network_seconds = float(np.mean([one.network_seconds for one in compared]))
    slow_seconds = float(np.mean([one.optimization_seconds for one in compared]))
    labels = compared[0].measures
    summary = {
        "photos": len(compared),
        "pixels": [one.photo.size for one in compared],
        "iterations": len(curve),
        "network_objective": network,
        "photo_objective": float(np.mean([one.photo_terms["total"] for one in compared])),
        "lbfgs_objective": {str(step): curve[step - 1] for step in (*SHOWN_STEPS, len(curve)) if step <= len(curve)},
        "lbfgs_equivalent": equivalent_iterations(network["total"], curve),
        "network_seconds": network_seconds,
        "lbfgs_seconds": slow_seconds,
        "time_ratio": slow_seconds / network_seconds,
        "measures": {
            label: {key: float(np.mean([one.measures[label][key] for one in compared])) for key in labels[label]}
            for label in labels
        },
        "curve": curve,
    }
    if compared[0].noise_curve:
        from_noise = np.mean([one.noise_curve for one in compared], axis=0).tolist()
        summary["noise_curve"] = from_noise
        summary["lbfgs_equivalent_from_noise"] = equivalent_iterations(network["total"], from_noise)
    return summary


def _measures(
    picture: Image.Image, photo: Image.Image, second: Objective | None, device: torch.device
) -> dict[str, float]:
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

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
    if second is not None:
        with torch.no_grad():
            terms = second(_tensor(picture, device), second.content_target(_tensor(photo, device))).floats()
        values |= {"second_content": terms["content"], "second_style": terms["style"]}
    return values


def _tensor(image: Image.Image, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(to_unit_floats(image))[None].to(device)


def photo_list(folder: Path, count: int, size: int) -> list[tuple[str, Image.Image]]:
    """The first `count` readable photos below a folder, spread evenly over it, at `size` pixels long side."""
    from fastnst.errors import ConfigError, ImageError
    from fastnst.images.decode import open_image
    from fastnst.images.folders import find_images
    from fastnst.images.resize import resize_long_side

    paths = find_images([folder])
    chosen: list[tuple[str, Image.Image]] = []
    for index in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int):
        try:
            photo = open_image(paths[index])
        except ImageError:
            continue
        photo = resize_long_side(photo, size) if max(photo.size) > size else photo
        if min(photo.size) >= 64:
            chosen.append((paths[index].name, photo))
    if not chosen:
        raise ConfigError(f"no photos of at least 64 pixels found in {folder}.")
    return chosen
