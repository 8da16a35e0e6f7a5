"""Measures of pyiqa (Chen & Mo, "IQA-PyTorch"), by their names there: DISTS, GMSD, FSIM, TOPIQ, NIMA and many more."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fastnst.errors import ConfigError, DownloadError, MissingDependencyError, suggest
from fastnst.input_files import expanded
from fastnst.perceptual.weight_formats import UNREADABLE, unpickled

_OF_SETS = ("fid", "inception_score")
_OFFLINE = (
    "copy its files from the folder hub of torch (TORCH_HOME) and the cache of huggingface of a machine that has them,"
    " or take one that needs no file, such as gmsd, fsim or nlpd."
)


@dataclass(frozen=True)
class ImageQuality:
    """One measure of a picture.

    Attributes:
        name: of pyiqa.
        better: -1 if lower is better, 1 if higher.
        to_photo: whether it compares with the photo; the others look at the picture alone.
        metric: pyiqa's own.
    """

    name: str
    better: int
    to_photo: bool
    metric: Any

    def measure(self, picture: Tensor, photo: Tensor) -> float:
        """Of float RGB `[1, 3, H, W]` in [0, 1], both of one size.

        Raises `ConfigError` for pictures that it cannot take, such as too small ones.
        """
        try:
            return float(self.metric(picture, photo) if self.to_photo else self.metric(picture))
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            raise ConfigError(
                f"pyiqa's {self.name} cannot measure pictures of {picture.shape[3]}×{picture.shape[2]} pixels"
                f" ({_first_line(error)})."
            ) from error


def open_image_quality(asked: str, device: torch.device) -> ImageQuality:
    """A measure, ready to use.

    Args:
        asked: `NAME`, or `NAME=FILE` with a local file of its weights.
        device: that measures.

    Raises `MissingDependencyError` without pyiqa, `ConfigError` for an unknown name, a measure of sets, or a file that
    does not fit, `DownloadError` with the offline way if what it needs cannot be had.
    """
    pyiqa = _pyiqa()
    name, given, file = asked.partition("=")
    known = pyiqa.list_models()
    if name.startswith(_OF_SETS):
        raise ConfigError(f"{name} measures sets of pictures, and not single ones: see benchmarks/zoo_fid.py.")
    if name not in known:
        raise ConfigError(f"pyiqa has no measure '{name}'.{suggest(name, known)} It has: {', '.join(known)}.")
    own = {"pretrained_model_path": _checked(file, asked)} if given else {}
    try:
        with contextlib.redirect_stdout(sys.stderr):  # of its downloads
            metric = pyiqa.create_metric(name, device=device, **own)
    except OSError as error:  # URLError, and what huggingface_hub raises, are such
        raise DownloadError(
            f"what pyiqa's {name} needs cannot be downloaded ({_first_line(error)})", _OFFLINE
        ) from error
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        blamed = f"with {file}" if given else "here"
        raise ConfigError(f"pyiqa's {name} cannot be opened {blamed} ({_first_line(error)}).") from error
    return ImageQuality(name, -1 if metric.lower_better else 1, metric.metric_mode == "FR", metric)


def _pyiqa() -> ModuleType:
    try:
        import pyiqa
    except ImportError as error:
        missing = "pyiqa" if error.name in (None, "pyiqa") else f"pyiqa, which lacks {error.name} here"
        raise MissingDependencyError(f'these measures need {missing}: pip install "fastnst[iqa]".') from error
    logging.getLogger("pyiqa").setLevel(logging.WARNING)
    return pyiqa  # type: ignore[no-any-return]


def _checked(file: str, asked: str) -> str:
    """The path of a weights file that holds tensors and plain values only: pyiqa would run what a pickle says."""
    path = expanded(file)
    if not os.path.isfile(path):
        raise ConfigError(f"the weights file of '{asked}' does not exist.")
    try:
        unpickled(path)
    except UNREADABLE as error:
        raise ConfigError(f"{path} cannot be read as weights of PyTorch (.pth).") from error
    return str(path)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
