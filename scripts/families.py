"""Families of recipes: which style goes on from which."""

from __future__ import annotations

import re
from pathlib import Path

from fastnst.errors import ConfigError
from fastnst.recipes import read_recipe
from fastnst.start.shipped import find_init


def generation(name: str, recipes: dict[str, Path]) -> int:
    """Number of these recipes that a style goes back to, one after the other."""
    ancestors: list[str] = []
    while name in recipes and name not in ancestors:
        ancestors.append(name)
        name = str(read_recipe(recipes[name]).get("init"))
    return len(ancestors)


def founder(name: str, recipes: dict[str, Path]) -> str:
    """The first of these recipes that a style goes back to; itself, if it goes back to none of them."""
    ancestors: list[str] = []
    while name in recipes and name not in ancestors:
        ancestors.append(name)
        name = str(read_recipe(recipes[name]).get("init"))
    return ancestors[-1]


def of_shard(names: list[str], recipes: dict[str, Path], shard: str) -> list[str]:
    """The styles of shard `k/n`: families stay together, since a style waits for the one that it goes on from.

    Raises `ConfigError` for anything but two numbers with 1 ≤ k ≤ n.
    """
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", shard)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise ConfigError(f"a shard is written as 2/4, the second of four, not '{shard[:20]}'.")
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(founder(name, recipes), []).append(name)
    # The largest families first, each to the shard that has the least.
    shards: list[list[str]] = [[] for _ in range(count)]
    for family in sorted(families.values(), key=len, reverse=True):
        min(shards, key=len).extend(family)
    return shards[number - 1]


def init_file(init: str) -> Path:
    """The model that a training goes on from. Raises `StyleNotFoundError`."""
    return find_init(init)
