"""Recipes: YAML files found by name or path, which may build on others by their `base:`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fastnst.errors import ConfigError, suggest
from fastnst.input_files import read_yaml

BASE_KEY = "base"
_FLAG, _SHORT = "--config", "-c"
_SUFFIXES = (".yaml", ".yml", ".json")
_MAX_BASES = 16
_PACKAGE = Path(__file__).resolve().parent


def recipe_folder() -> Path:
    """Folders of the recipes that ship: in the installed package, or in a checkout beside it."""
    installed = _PACKAGE / "configs"
    return installed if os.path.isdir(installed) else _PACKAGE.parent / "configs"


def available_recipes() -> dict[str, Path]:
    """The recipes that ship by name: `quickstart`, `styles/the_scream`, `reference/gatys`, in alphabetical order."""
    folder = recipe_folder()
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.yaml")}
    return dict(sorted(found.items()))


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe: a path that is there, or the name of one that ships (`quickstart`, `styles/the_scream`).

    Raises `ConfigError`, with the nearest name, for what is neither.
    """
    path = Path(recipe)
    if _exists(path):
        return path
    known = available_recipes()
    named = known.get(PurePosixPath(path.as_posix()).as_posix())
    if named is not None:
        return named
    if path.suffix.lower() in _SUFFIXES:
        name = path.with_suffix("").as_posix().removeprefix("configs/")
        ships = f" The recipe that ships under this name is taken with {_FLAG} {name}." if name in known else ""
        raise ConfigError(f"the configuration {path} does not exist.{ships}")
    raise ConfigError(
        f"there is no recipe '{path}'.{suggest(str(path), known)}"
        f" Give a .yaml file, or one of those that ship: {', '.join(known)}."
    )


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """A recipe with everything that it builds on, the nearer file winning key by key.

    Raises `ConfigError` for a file that cannot be read, holds no keys and values, or builds on itself.
    """
    result: dict[str, Any] = {}
    for _, content in _files_and_contents(recipe):
        result = merged(result, content)
    return result


def with_bases(
    arguments: Sequence[str], check: Callable[[dict[str, Any], Path], None] = lambda _content, _path: None
) -> list[str]:
    """A command line in which each `--config RECIPE` is the content of what RECIPE builds on, and then its own.

    The contents take the place of the files' names, so that what was read and checked here is what the parser gets.
    They stand before all other options, which so win over them wherever they were written; a later recipe wins over an
    earlier one. `check` sees each content with its file, and may refuse or mend it.
    """
    found: list[str] = []
    recipes: list[str] = []
    expects_file = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if expects_file or (name == _FLAG and equals):
            files = _files_and_contents(argument if expects_file else value)
            for path, content in files:
                check(content, path)
            contents = [content for _, content in files]
            recipes += [f"{_FLAG}={_written(content)}" for content in contents if content]
        elif argument not in (_FLAG, _SHORT):
            found.append(argument)
        expects_file = not expects_file and argument in (_FLAG, _SHORT)
    if expects_file:
        raise ConfigError(f"{_FLAG} needs a recipe: a .yaml file, or a name such as quickstart.")
    first = next((index for index, argument in enumerate(found) if argument.startswith("-")), len(found))
    return found[:first] + recipes + found[first:]


def _files_and_contents(recipe: str | Path) -> list[tuple[Path, dict[str, Any]]]:
    """A recipe and what it builds on, the most basic first: each file and its content without its `base`."""
    path = find_recipe(recipe)
    files, contents = [path], [_read(path)]
    while (base := contents[0].pop(BASE_KEY, None)) is not None:
        parent = _base_of(files[0], base)
        if any(_same(parent, file) for file in files):
            raise ConfigError(f"the configuration {files[0]} builds on itself: its base is {base}.")
        if len(files) > _MAX_BASES:
            raise ConfigError(f"the configuration {path} builds on more than {_MAX_BASES} others, one on the next.")
        files.insert(0, parent)
        contents.insert(0, _read(parent))
    return list(zip(files, contents, strict=True))


def _base_of(file: Path, base: object) -> Path:
    """The file that `base:` names: relative to the recipe, or a recipe that ships."""
    if not isinstance(base, str) or not base:
        raise ConfigError(f"the base of the configuration {file} must be one file or the name of a recipe, not {base}.")
    parent = file.parent / base
    return find_recipe(base) if not _exists(parent) and base in available_recipes() else parent


def _read(path: Path) -> dict[str, Any]:
    content = read_yaml(path, "configuration")
    if content is None:  # an empty file, or comments alone
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"the configuration {path} must hold keys and values.")
    _check_keys(content, path)
    return content


def _check_keys(content: dict[Any, Any], path: Path) -> None:
    for key, value in content.items():
        if not isinstance(key, str):
            raise ConfigError(f"the configuration {path} has the key {key!r}, which is not a name.")
        if isinstance(value, dict):
            _check_keys(value, path)


def _written(content: dict[str, Any]) -> str:
    import yaml

    # In ASCII: the parser asks whether it is a file's name, which other letters cannot be in every locale.
    return yaml.safe_dump(content, sort_keys=False)


def _exists(path: Path) -> bool:
    try:
        return os.path.exists(path) and not os.path.isdir(path)
    except (OSError, ValueError):  # too long for a name, or with a null byte
        return False


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # ValueError: a null byte
        return False


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with what `change` says, group by group."""
    result = dict(base)
    for key, value in change.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result
