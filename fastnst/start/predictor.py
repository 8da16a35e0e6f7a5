"""A guess of a painting's style before the first step: from what slim sees of the painting to the affines of the start.

A small network maps the means and spreads of slim's channels to the instance normalizations of the start network, as
in Ghiasi et al. (2017), "Exploring the structure of a real-time, arbitrary neural artistic stylization network". What
comes out is a plain style network, which trainings begin from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fastnst.checkpoints import are_finite, have_shapes
from fastnst.errors import ModelError
from fastnst.networks.affines import affines, fingerprint, set_affines
from fastnst.networks.base import StyleNetwork
from fastnst.output_files import write_atomically
from fastnst.perceptual.network import PerceptualNetwork
from fastnst.perceptual.slim import load_slim
from fastnst.runtime.models.description import read_json
from fastnst.start.shipped import predictor_files

# Where a painting is looked at: the layers whose Gram matrices are its style.
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
_METADATA_KEY = "fastnst.predictor"
_FORMAT = 1
_FARTHEST = 4.0  # standard deviations from the mean of the paintings learned from; what is farther off counts as this


class AffinePredictor(nn.Module):
    """Affines of a start network from a painting's moments.

    Args:
        moments: numbers that describe a painting (`channel_moments`).
        base: the start's own affines `[A]`, from which it guesses an offset; at first none.
        hidden: width of its two hidden layers.
    """

    base: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, moments: int, base: Tensor, hidden: int = 160) -> None:
        super().__init__()
        self.register_buffer("base", base.clone())
        self.register_buffer("centre", torch.zeros(moments))
        self.register_buffer("scale", torch.ones(moments))
        self.layers = nn.Sequential(
            nn.Linear(moments, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, len(base))
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def normalize_by(self, moments: Tensor) -> None:
        """Take the mean and the spread of each number over many paintings, `[D, M]`, as those of its input."""
        described = described_moments(moments)
        self.centre.copy_(described.mean(0))
        self.scale.copy_(described.std(0).clamp_min(1e-4))

    def forward(self, moments: Tensor) -> Tensor:
        """From `[N, M]` to affines `[N, A]` float32, in the order of `networks.affines`."""
        described = (described_moments(moments) - self.centre) / self.scale
        guess: Tensor = self.base + self.layers(described.clamp(-_FARTHEST, _FARTHEST))
        return guess


def channel_moments(perceptual: PerceptualNetwork, painting: Tensor) -> Tensor:
    """Means and mean squares of slim's channels at `LAYERS`, `[1, M]` float32, of a float RGB picture `[1, 3, H, W]`.

    Those of several paintings may be averaged, as their Gram matrices are.
    """
    return moments_of(perceptual.features(painting, LAYERS))


def moments_of(features: Mapping[str, Tensor]) -> Tensor:
    """The same of features that are at hand, read out."""
    maps = [features[layer].float().flatten(2) for layer in LAYERS]
    return torch.cat([*(one.mean(2) for one in maps), *(one.square().mean(2) for one in maps)], dim=1)


def described_moments(moments: Tensor) -> Tensor:
    """Means and standard deviations from means and mean squares, `[N, M]`."""
    means, squares = moments.chunk(2, dim=1)
    return torch.cat([means, (squares - means.square()).clamp_min(0).sqrt()], dim=1)


def guess_style(
    network: StyleNetwork, paintings: Sequence[Tensor], weights: Sequence[float] | None = None, path: Path | None = None
) -> None:
    """Give a start network the affines that the predictor guesses for a painting: a first look before any training.

    Args:
        network: the start (`init: start`), changed in place.
        paintings: float RGB `[1, 3, H, W]` in [0, 1], each of its own size; several become one style.
        weights: one a painting (default: equal).
        path: of a predictor; None takes the one that ships for this start.

    Raises `ModelError` where none ships, or for a predictor of another network.
    """
    predictor = load_predictor(network, path)
    perceptual = load_slim(padding="replicate")
    shares = list(weights) if weights is not None else [1.0] * len(paintings)
    with torch.no_grad():
        seen = [channel_moments(perceptual, painting) for painting in paintings]
        moments = torch.stack([share * one for share, one in zip(shares, seen, strict=True)]).sum(0) / sum(shares)
        if moments.shape[1] != len(predictor.centre):
            raise ModelError(
                f"the predictor {path or 'that ships'} describes a painting by {len(predictor.centre)} numbers instead"
                f" of {moments.shape[1]}: learn a new one with fastnst train-predictor."
            )
        set_affines(network, predictor(moments)[0])


def has_predictor(network: StyleNetwork) -> bool:
    """True if a predictor ships for a network with these convolutions."""
    return _shipped(fingerprint(network)) is not None


def load_predictor(network: StyleNetwork, path: Path | None = None) -> AffinePredictor:
    """The predictor that ships for a start network, or the one in a file.

    Raises `ModelError` where there is none, for a damaged file, and for one that belongs to another network.
    """
    wanted = fingerprint(network)
    if path is None:
        path = _shipped(wanted)
        if path is None:
            raise ModelError(
                "no predictor ships for this network: a first guess needs the start that it was learned with,"
                " --init start, or a file of fastnst train-predictor."
            )
    elif not os.path.isfile(path):
        raise ModelError(f"the predictor {path} does not exist.")
    description = predictor_description(path)
    if description["network"] != wanted:
        raise ModelError(
            f"{path} was learned with another start: give that one with --init, or learn a new one with fastnst"
            " train-predictor."
        )
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        sizes = len(state["centre"]), len(state["layers.0.bias"])
        with torch.device("meta"):  # its matrices may be as large as anyone writes into a file
            fits = all(sizes) and have_shapes(state, AffinePredictor(sizes[0], affines(network).to("meta"), sizes[1]))
        if not fits or not are_finite(state):
            raise ValueError("other tensors than a predictor has")
        predictor = AffinePredictor(sizes[0], affines(network), sizes[1])
        predictor.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a predictor of affines, or it is damaged.") from error
    return predictor.eval()


def save_predictor(
    predictor: AffinePredictor, network: StyleNetwork, description: Mapping[str, Any], path: Path
) -> None:
    """Write a predictor in half precision with what it was learned from, whole or not at all."""
    about = {"format": _FORMAT, "network": fingerprint(network), **description}
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in predictor.state_dict().items()}
    with write_atomically(path, overwrite=True) as partial:
        save_file(tensors, partial, {_METADATA_KEY: json.dumps(about)})


def predictor_description(path: Path) -> dict[str, Any]:
    """What a predictor's file says of itself. Raises `ModelError` for a damaged or foreign one."""
    try:
        with safe_open(path, framework="pt") as file:
            description = read_json((file.metadata() or {})[_METADATA_KEY])
        if not isinstance(description, dict):
            raise ValueError("no object")
        if description["format"] != _FORMAT:
            raise ModelError(f"{path} is a predictor of a newer fastnst.")
        return {**description, "network": str(description["network"])}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a predictor of affines, or it is damaged.") from error


def _shipped(wanted: str) -> Path | None:
    """The file that ships for a network of this fingerprint."""
    return next((path for path in predictor_files() if predictor_description(path)["network"] == wanted), None)
