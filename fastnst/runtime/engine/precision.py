"""Reduced precision is used only where it cannot be seen: 40 dB to what float32 gives."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.cache import cache_path
from fastnst.images.decode import open_image
from fastnst.input_files import sha256_of
from fastnst.sample import sample_photo

log = logging.getLogger(__name__)

Run = Callable[[NDArray[Any]], NDArray[Any]]

HALF_SUFFIX = ".fp16.onnx"  # of a half-precision copy for GPUs, which lies beside its model and is not a style itself
MIN_PSNR = 40.0  # dB to the float32 result; below it reduced precision could be seen


def is_precise(paths: Sequence[Path], engine: str, run: Run, reference: Run, *, takes_planes: bool = False) -> bool:
    """True if an engine stays within 40 dB of float32; the verdict is kept in the user's cache.

    Args:
        paths: the files that are compared (the model, and a copy of it if that is what runs). Their contents, `engine`
            and nothing else distinguish verdicts.
        engine: provider, precision and version of what computes, and the model of the CPU or GPU that it runs on.
        run, reference: the model in reduced precision and in float32, from images to its result.
        takes_planes: whether images are float planes `[N, 3, H, W]` in [−1, 1], not bytes `[N, H, W, 3]`.
    """
    key = content_key(*dict.fromkeys(paths))
    verdict = cache_path() / "precision" / f"{key}-{hashlib.sha256(engine.encode()).hexdigest()[:12]}.json"
    try:
        psnr = json.loads(verdict.read_text())["psnr"]
        if isinstance(psnr, float):
            return psnr >= MIN_PSNR
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # not measured yet
    psnr = peak_signal_to_noise(run, reference, takes_planes=takes_planes)
    try:
        verdict.parent.mkdir(parents=True, exist_ok=True)
        verdict.write_text(json.dumps({"psnr": psnr, "engine": engine}))
    except OSError as error:
        log.debug("the verdict is not kept: %s", error)
    return psnr >= MIN_PSNR


def content_key(*paths: Path) -> str:
    """A name for what files hold, whatever they are called."""
    return sha256_of(*paths)[:24]


def peak_signal_to_noise(run: Run, reference: Run, *, takes_planes: bool = False) -> float:
    """The lower PSNR in dB between two ways to run one model, on a photo and on shading, edges and noise.

    It gives bytes, or floats in [0, 1].
    """
    return min(_peak_signal_to_noise(run, reference, picture, takes_planes) for picture in (_photo(), _pattern()))


def _peak_signal_to_noise(run: Run, reference: Run, picture: UInt8Image, takes_planes: bool) -> float:
    images: NDArray[Any] = picture[None]
    if takes_planes:
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
    expected, found = reference(images), run(images)  # a broken model fails in the reference
    peak = 255.0 if expected.dtype == np.uint8 else 1.0
    error = float(np.square((found.astype(np.float64) - expected) / peak).mean())
    return -10 * float(np.log10(max(error, 1e-12)))


def _photo() -> UInt8Image:
    """The portrait that ships, a square of it, uint8 `[256, 256, 3]`."""
    photo = open_image(sample_photo())
    side = min(photo.size)
    return np.asarray(photo.resize((256, 256), Image.Resampling.BILINEAR, box=(0, 0, side, side)))


def _pattern() -> UInt8Image:
    y, x = np.mgrid[0:256, 0:384] / 64
    waves = [np.sin(x + phase) + np.cos(y * (1 + phase / 4)) + (np.floor(x + y) % 2) for phase in range(3)]
    noise = np.random.default_rng(0).normal(0, 0.15, (256, 384, 3))
    return np.clip((np.stack(waves, axis=-1) + noise + 2) * 52, 0, 255).astype(np.uint8)
