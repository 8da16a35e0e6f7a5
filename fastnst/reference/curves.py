"""Descents of the reference as curves: objective against evaluations and seconds, kept in the cache."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastnst.cache import cache_folder
from fastnst.errors import OutputError
from fastnst.images.arrays import from_unit_floats
from fastnst.losses.objective import Objective
from fastnst.output_files import write_atomically
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.reference.descent import HISTORY
from fastnst.reference.optimize import OptimizeConfig, Optimized, Step, Watcher, optimize

_FORMAT = 1  # of the file, and of how the descent moves: a change there makes older curves worthless


@dataclass(frozen=True)
class Curve:
    """One descent on one photo.

    Attributes:
        totals: the lowest objective up to each evaluation; the first is the start's.
        seconds: wall-clock time up to each.
        pictures: after the evaluations that were asked for, by their number; the last is the best of all.
    """

    totals: list[float]
    seconds: list[float]
    pictures: dict[int, Image.Image]

    @property
    def best(self) -> Image.Image:
        """The best picture of the whole descent."""
        return self.pictures[max(self.pictures)]


def descend(
    photo: Tensor,
    objective: Objective,
    config: OptimizeConfig,
    *,
    start: Tensor | None = None,
    shown: Collection[int] = (),
    watcher: Watcher | None = None,
) -> Curve:
    """A descent's curve, from the cache if the same one was made before, by whatever style of the painting.

    Args:
        photo: float RGB `[1, 3, H, W]` in [0, 1].
        objective: with its style set.
        config: how to descend.
        start: in place of the configuration's.
        shown: numbers of the evaluations whose pictures are kept.
        watcher: called at each step; not at all for a curve from the cache.

    Raises `KeyboardInterrupt` if Ctrl-C ends it: half a curve compares with nothing.
    """
    kept = sorted(number for number in set(shown) if number < config.steps)
    path = _path(photo, objective, config, start, kept)
    found = _read(path)
    if found is not None:
        return found
    pictures: dict[int, Image.Image] = {}

    def keep(step: Step, image: Tensor) -> None:
        if step.number in kept:
            pictures[step.number] = from_unit_floats(image[0].float().clamp(0, 1).cpu().numpy())
        if watcher is not None:
            watcher(step, image)

    run = optimize(photo, objective, config, start=start, watcher=keep)
    if run.interrupted:
        raise KeyboardInterrupt
    pictures[config.steps] = from_unit_floats(run.image[0].numpy())
    curve = Curve(best_so_far(run, config.steps), _seconds(run, config.steps), pictures)
    _write(curve, path)
    return curve


def best_so_far(run: Optimized, steps: int) -> list[float]:
    """The lowest objective up to each of `steps` evaluations; a descent that ended early keeps its last value."""
    totals = np.full(steps, np.nan)
    totals[: len(run.history)] = [step.terms["total"] for step in run.history]
    curve: list[float] = np.fmin.accumulate(totals).tolist()
    return curve


def strong_wolfe(photo: Tensor, objective: Objective, evaluations: int) -> Curve:
    """PyTorch's own L-BFGS with its strong-Wolfe line search, from the photo, counted by evaluations: a check of ours.

    As many are remembered as in ours. It is not clipped on the way, as PyTorch's cannot be. Cached like other curves.
    """
    path = _path(photo, objective, OptimizeConfig(steps=evaluations), None, (), "strong_wolfe")
    found = _read(path)
    if found is not None:
        return found
    image = photo.clone().requires_grad_()
    target = objective.content_target(photo)
    totals: list[float] = []
    seconds: list[float] = []
    started = time.perf_counter()
    optimizer = torch.optim.LBFGS(
        [image], max_iter=evaluations, max_eval=evaluations, history_size=HISTORY, tolerance_grad=0.0,
        tolerance_change=0.0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> float:
        image.grad = None
        total = objective(image, target).total.sum()
        torch.autograd.backward(total)
        totals.append(float(total.detach()))
        seconds.append(time.perf_counter() - started)
        return totals[-1]

    optimizer.step(closure)  # type: ignore[no-untyped-call,unused-ignore]
    best: list[float] = np.fmin.accumulate(totals[:evaluations]).tolist()
    fill = evaluations - len(best)
    last = from_unit_floats(image.detach()[0].float().clamp(0, 1).cpu().numpy())
    curve = Curve(best + best[-1:] * fill, seconds[:evaluations] + seconds[-1:] * fill, {evaluations: last})
    _write(curve, path)
    return curve


def _seconds(run: Optimized, steps: int) -> list[float]:
    seconds = [step.seconds for step in run.history]
    return seconds + seconds[-1:] * (steps - len(seconds))


def _path(
    photo: Tensor,
    objective: Objective,
    config: OptimizeConfig,
    start: Tensor | None,
    kept: Collection[int],
    search: str = "ours",
) -> Path:
    """Where a curve is kept, by what decides it: pixels, painting, objective, perceptual network with its weights, and
    the way down with its line search."""
    digest = hashlib.sha256()
    described = {
        "format": _FORMAT,
        "objective": dataclasses.asdict(objective.config),
        "descent": dataclasses.asdict(config),
        "perceptual": [objective.perceptual.name, objective.perceptual.pooling, objective.perceptual.padding],
        "device": photo.device.type,
        "kept": list(kept),
        "search": search,
    }
    if photo.device.type == "cuda":
        described["tf32"] = torch.backends.cuda.matmul.allow_tf32  # see hardware.float32_products
    digest.update(json.dumps(described, sort_keys=True).encode())
    digest.update(_weights_digest(objective.perceptual))
    targets = [buffer for _, buffer in sorted(objective.named_buffers())]
    for tensor in (photo, *([] if start is None else [start]), *targets):
        _feed(digest, tensor)
    return cache_folder() / "reference" / f"{digest.hexdigest()[:32]}.npz"


@functools.lru_cache(maxsize=4)
def _weights_digest(network: PerceptualNetwork) -> bytes:
    """Of weights that never change: megabytes, read once and not for every curve."""
    digest = hashlib.sha256()
    for _, parameter in sorted(network.named_parameters()):
        _feed(digest, parameter)
    return digest.digest()


def _feed(digest: hashlib._Hash, tensor: Tensor) -> None:
    digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
    digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())


def _write(curve: Curve, path: Path) -> None:
    arrays = {f"picture_{number}": np.asarray(picture) for number, picture in curve.pictures.items()}
    try:
        with write_atomically(path, overwrite=True) as partial, partial.open("wb") as stream:
            np.savez_compressed(stream, totals=curve.totals, seconds=curve.seconds, **arrays)  # type: ignore[arg-type]
    except OutputError:
        return  # a full or read-only cache costs the time of making it again, and nothing else


def _read(path: Path) -> Curve | None:
    try:
        with path.open("rb") as stream, np.load(io.BytesIO(stream.read()), allow_pickle=False) as arrays:
            pictures = {
                int(name.removeprefix("picture_")): Image.fromarray(arrays[name])
                for name in arrays.files
                if name.startswith("picture_")
            }
            return Curve(arrays["totals"].tolist(), arrays["seconds"].tolist(), pictures)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
