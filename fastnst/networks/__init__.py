"""The style networks and their registry. A new one is one file and one line here."""

from __future__ import annotations

import inspect
from typing import Any

from fastnst.errors import ConfigError, suggest
from fastnst.networks.base import StyleNetwork
from fastnst.networks.cyclegan import CycleGANGenerator
from fastnst.networks.johnson import Johnson
from fastnst.networks.swift import Swift, SwiftS

NETWORKS: dict[str, type[StyleNetwork]] = {
    "johnson": Johnson,
    "cyclegan": CycleGANGenerator,
    "swift": Swift,
    "swift-s": SwiftS,
}

_MAX_OPTION = 256  # channels, blocks: four times and more what anyone trains


def build_network(name: str, **options: Any) -> StyleNetwork:
    """A fresh style network by name; `options` left out, or None, keep the network's own default.

    Raises `ConfigError` for an unknown name, an option that the network does not have, or a value of another type than
    its default; a count must be positive.
    """
    if name not in NETWORKS:
        raise ConfigError(f"unknown network '{name}'.{suggest(name, NETWORKS)} Choose one of: {', '.join(NETWORKS)}.")
    network = NETWORKS[name]
    known = inspect.signature(network).parameters
    chosen = {option: value for option, value in options.items() if value is not None}
    for option, value in chosen.items():
        if option not in known:
            raise ConfigError(
                f"network '{name}' has no option '{option}'.{suggest(option, known)} It has: {', '.join(known)}."
            )
        kind = type(known[option].default)
        if kind is int and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"network option '{option}' must be a whole number of at least 1, not {value}.")
        if kind is int and value > _MAX_OPTION:
            raise ConfigError(f"network option '{option}' must be at most {_MAX_OPTION}, not {value}.")
        if kind in (bool, float, str) and not isinstance(value, (int, float) if kind is float else kind):
            raise ConfigError(f"network option '{option}' must be a {kind.__name__}, not {value}.")
    return network(**chosen)


__all__ = ["NETWORKS", "StyleNetwork", "build_network"]
