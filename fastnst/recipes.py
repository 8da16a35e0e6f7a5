"""Recipes that build on others: a YAML file whose `base:` names the file that it changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from fastnst.errors import ConfigError

BASE_KEY = "base"
_FLAG, _SHORT = "--config", "-c"


def read_recipe(path: Path) -> dict[str, Any]:
    """A recipe with everything that it builds on, the nearer file winning key by key.

    Raises `ConfigError` for a file that cannot be read, holds no keys and values, or builds on itself.
    """
    merged: dict[str, Any] = {}
    for file in recipe_files(path):
        merged = _merge(merged, _read(file))
    merged.pop(BASE_KEY, None)
    return merged


def recipe_files(path: Path) -> list[Path]:
    """The recipe and what it builds on, the most basic file first. Raises `ConfigError` as `read_recipe` does."""
    files = [path]
    while base := _read(files[0]).get(BASE_KEY):
        parent = files[0].parent / str(base)
        if any(parent.resolve() == file.resolve() for file in files):
            raise ConfigError(f"the configuration {files[0]} builds on itself: its base is {base}.")
        files.insert(0, parent)
    return files


def with_bases(arguments: Sequence[str]) -> list[str]:
    """A command line in which each `--config FILE` comes after the files that FILE builds on."""
    found: list[str] = []
    expects_file = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if expects_file or (name == _FLAG and equals):
            path = Path(argument if expects_file else value)
            files = recipe_files(path) if path.is_file() else [path]  # what is no file is the parser's to refuse
            found += [part for file in files for part in (_FLAG, str(file))]
        elif argument not in (_FLAG, _SHORT):
            found.append(argument)
        expects_file = not expects_file and argument in (_FLAG, _SHORT)
    return [*found, _FLAG] if expects_file else found


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"the configuration {path} cannot be read ({str(error).splitlines()[0]}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"the configuration {path} must hold keys and values.")
    return content


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
