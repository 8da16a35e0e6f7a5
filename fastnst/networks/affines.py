"""The affines of a network's instance normalizations: all that sets one style apart from another where the convolutions
are shared (Dumoulin, Shlens & Kudlur 2017, "A Learned Representation for Artistic Style")."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.func import functional_call

from fastnst.networks.base import InstanceNorm, StyleNetwork


def affine_sizes(network: StyleNetwork) -> dict[str, int]:
    """The weights and biases of all instance normalizations, by name in a fixed order, with their channels."""
    return {
        f"{name}.{part}": module.num_channels
        for name, module in network.named_modules()
        if isinstance(module, InstanceNorm)
        for part in ("weight", "bias")
    }


def affines(network: StyleNetwork) -> Tensor:
    """All of them in that order, one after another: float `[A]`."""
    parameters = dict(network.named_parameters())
    return torch.cat([parameters[name].detach() for name in affine_sizes(network)])


def set_affines(network: StyleNetwork, values: Tensor) -> None:
    """Give the network the affines `[A]`, in the order of `affines`."""
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, part in _by_name(network, values[None]).items():
            parameters[name].copy_(part[0])


def restyle_each(network: StyleNetwork, photos: Tensor, values: Tensor) -> Tensor:
    """The network's result with affines of each photo's own, in one pass.

    Args:
        network: whose convolutions all photos share.
        photos: float RGB `[N, 3, H, W]` in [0, 1].
        values: affines `[N, A]` in the order of `affines`; gradients flow to them.
    """
    restyled: Tensor = functional_call(network, _by_name(network, values), (photos,))
    return restyled


def fingerprint(network: StyleNetwork) -> str:
    """Tells networks with other convolutions apart, whatever their affines; the same after storing in half precision.

    Sixteen hexadecimal digits.
    """
    own = affine_sizes(network)
    digest = hashlib.sha256()
    for name, parameter in network.named_parameters():
        if name not in own:
            digest.update(parameter.detach().cpu().half().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _by_name(network: StyleNetwork, values: Tensor) -> dict[str, Tensor]:
    sizes = affine_sizes(network)
    return dict(zip(sizes, values.split(list(sizes.values()), dim=1), strict=True))
