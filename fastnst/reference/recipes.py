"""Recipes of the reference: typed settings from YAML and the command line, several values of one a sweep."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastnst.errors import ConfigError, suggest
from fastnst.losses.config import ObjectiveConfig
from fastnst.losses.registry import TERMS, weight_key
from fastnst.perceptual import PerceptualConfig
from fastnst.recipes import read_recipe
from fastnst.reference.config import Settings
from fastnst.reference.optimize import OptimizeConfig

Extras = TypeVar("Extras")
Config = TypeVar("Config")

_PARTS: dict[str, type[Any]] = {"objective": ObjectiveConfig, "perceptual": PerceptualConfig, "descent": OptimizeConfig}
# Where a field's own name would be unclear beside the others.
_PUBLIC_NAMES = {
    ("perceptual", "name"): "perceptual",
    ("perceptual", "weights"): "weight_set",
    ("perceptual", "weights_file"): "perceptual_weights",
}
_DESCRIPTION, _SWEEP = "description", "sweep"
_MAX_PICTURES = 999  # of a sweep: their files are numbered with three digits, and all of them are kept for a sheet


@dataclass(frozen=True)
class Option:
    """One setting as users see it.

    Attributes:
        name: in recipes; on the command line with dashes.
        part, field: where it lives: `objective`, `perceptual`, `descent` or `` (the settings themselves).
        type: its type hint.
        default: its default.
        about: what it is.
    """

    name: str
    part: str
    field: str
    type: Any
    default: Any
    about: str


@dataclass(frozen=True)
class Variant:
    """One picture of a sweep: its settings, and a label that names what varies (empty for a single one)."""

    label: str
    settings: Settings


@dataclass(frozen=True)
class NoExtras:
    """For commands without options of their own in recipes."""


@functools.cache
def setting_options() -> dict[str, Option]:
    """Every setting by name. Terms that only a training can measure have none."""
    hidden = {weight_key(name) for name, term in TERMS.items() if term.needs_network()}
    options: dict[str, Option] = {}
    parts: dict[str, type[Any]] = {**_PARTS, "": Settings}
    for part, config in parts.items():
        for option in _options(config, part):
            if option.name not in hidden and not (part == "" and option.field in _PARTS):
                options[option.name] = option
    return options


def read_variants(
    recipe: Path | None,
    arguments: Mapping[str, Sequence[str]],
    extras: Extras,
) -> tuple[list[Variant], Extras]:
    """All combinations of the values, and the command's own options that the recipe sets.

    Args:
        recipe: a YAML file of settings; `base:` names one that it changes, `sweep:` maps settings to lists of values.
        arguments: the command line's values as text, by setting; they win.
        extras: a frozen dataclass of the command's further options that a recipe may set. A field that is not None
            was given on the command line, and wins.

    Raises `ConfigError` for an unknown key (with the nearest), a value of the wrong type, or too many combinations.
    """
    options = setting_options()
    own = {option.name: option for option in _options(type(extras), "")}
    values: dict[str, list[Any]] = {}
    content = read_recipe(recipe) if recipe else {}
    check_picture_count(map(len, {**_lists(content.get(_SWEEP)), **arguments}.values()))
    for key, value in content.items():
        if key == _SWEEP:
            values |= _sweep(recipe, value)
        elif key in options:
            values[key] = [_typed(options[key], value, f"{recipe}: {key}")]
        elif key in own:
            if getattr(extras, key) is None:
                typed = _typed(own[key], value, f"{recipe}: {key}")
                extras = dataclasses.replace(extras, **{key: typed})  # type: ignore[type-var]
        elif key != _DESCRIPTION:
            known = [*options, *own, _SWEEP, _DESCRIPTION]
            raise ConfigError(f"{recipe} has an unknown key '{key}'.{suggest(key, known)}")
    for name, texts in arguments.items():
        values[name] = [_parsed(options[name], text) for text in texts]
    variants = [Variant(_label(chosen, values), _settings(chosen)) for chosen in _combinations(values)]
    for variant in variants:
        variant.settings.validate()
    return [Variant(one.label, one.settings.tapped()) for one in variants], extras


def read_config(config: type[Config], values: Any, where: str) -> Config:
    """A dataclass of options from a part of a recipe; `where` names the part. Raises `ConfigError` as above."""
    options = {option.field: option for option in _options(config, "")}
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must hold keys and values, not '{values}'.")
    for key in values:
        if key not in options:
            raise ConfigError(f"{where} has an unknown key '{key}'.{suggest(key, options)}")
    return config(**{key: _typed(options[key], value, f"{where}.{key}") for key, value in values.items()})


def check_picture_count(counts: Iterable[int]) -> None:
    """Raise `ConfigError` if that many values of each setting combine to more pictures than anyone waits for."""
    pictures = math.prod(counts)
    if pictures > _MAX_PICTURES:
        raise ConfigError(
            f"these values combine to {_count(pictures)} pictures, but {_MAX_PICTURES} is the most that are made at"
            " once: give fewer values."
        )


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**12 else "more than a trillion"


def shown(value: object) -> str:
    """A setting's value as users write it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _combinations(values: Mapping[str, list[Any]]) -> Iterable[dict[str, Any]]:
    return (dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values()))


def _label(chosen: Mapping[str, Any], values: Mapping[str, list[Any]]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {shown(chosen[name])}" for name in values if len(values[name]) > 1)


def _settings(chosen: Mapping[str, Any]) -> Settings:
    parts: dict[str, dict[str, Any]] = {part: {} for part in (*_PARTS, "")}
    for name, value in chosen.items():
        option = setting_options()[name]
        parts[option.part][option.field] = value
    return Settings(**{part: config(**parts[part]) for part, config in _PARTS.items()}, **parts[""])


def _options(config: type[Any], part: str) -> list[Option]:
    """The options of a dataclass; what they are about stands in its docstring's Attributes."""
    hints = typing.get_type_hints(config)
    documented = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", config.__doc__ or "", re.MULTILINE)
    about = {name: " ".join(text.split()) for name, text in documented}
    found = []
    for entry in dataclasses.fields(config):
        make = entry.default_factory
        default = entry.default if make is dataclasses.MISSING else make()
        name = _PUBLIC_NAMES.get((part, entry.name), entry.name)
        found.append(Option(name, part, entry.name, hints[entry.name], default, about.get(entry.name, "")))
    return found


def _lists(sweep: Any) -> dict[str, list[Any]]:
    """What varies, before anything is read: whatever is none is refused later."""
    named = sweep.items() if isinstance(sweep, dict) else ()
    return {name: several for name, several in named if isinstance(several, list) and several}


def _sweep(recipe: Path | None, sweep: Any) -> dict[str, list[Any]]:
    if not isinstance(sweep, dict) or not all(isinstance(several, list) and several for several in sweep.values()):
        raise ConfigError(f"{recipe}: sweep must map settings to lists of values.")
    options = setting_options()
    for name in sweep:
        if name not in options:
            raise ConfigError(f"{recipe}: sweep has an unknown key '{name}'.{suggest(name, options)}")
    return {
        name: [_typed(options[name], value, f"{recipe}: {name}") for value in several]
        for name, several in sweep.items()
    }


def _parsed(option: Option, text: str) -> Any:
    """A value of the command line, where lists may be written with commas alone."""
    if _plain(option.type) is list and not text.startswith("["):
        text = f"[{text}]"
    return _checked(option, lambda parser: parser.parse_args([f"--{option.name}={text}"]), text, _flag(option.name))


def _typed(option: Option, value: Any, where: str) -> Any:
    """A value of a recipe."""
    return _checked(option, lambda parser: parser.parse_object({option.name: value}), value, where)


def _checked(option: Option, parse: Any, value: Any, where: str) -> Any:
    """The value as jsonargparse reads the option's type, as it does in training recipes."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_argument(f"--{option.name}", type=option.type, default=option.default)
    try:
        return parse(parser)[option.name]
    except ArgumentError as error:
        raise ConfigError(f"{where} takes {_kind(option.type)}, not '{value}'.") from error


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _plain(hint: Any) -> Any:
    """`list` of `list[str] | None`, `int` of `int | None`, and so on."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return typing.get_origin(hint) or hint


def _kind(hint: Any) -> str:
    plain = _plain(hint)
    if plain is list:
        return "a list of numbers" if "float" in str(hint) else "a list of names"
    if plain is typing.Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(plain, "a text")
