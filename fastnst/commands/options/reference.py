"""Options of the reference commands: one a setting, from a YAML recipe or the command line, several values a sweep."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import yaml

from fastnst.errors import ConfigError, suggest
from fastnst.losses.objective import ObjectiveConfig
from fastnst.perceptual import PerceptualConfig
from fastnst.reference.config import Settings, option_homes
from fastnst.reference.optimize import OptimizeConfig

_RECIPE_ONLY = {"description"}
_ALIASES = {"content_layers": ["--content-layer"], "style_layers": ["--style-layer"], "perceptual": ["--backbone"]}


def add_settings(parser: argparse.ArgumentParser, recipe_options: tuple[str, ...] = ()) -> None:
    """One option a setting; `recipe_options` are further options of the command that a recipe may set."""
    group = parser.add_argument_group("settings (several values make a sweep; lists are written with commas)")
    for name, (_, entry) in option_homes().items():
        flags = [f"--{name.replace('_', '-')}", *_ALIASES.get(name, [])]
        group.add_argument(*flags, dest=name, nargs="+", metavar="VALUE", help=_help(entry))
    parser.add_argument("--config", type=Path, metavar="YAML", help="a recipe that sets options; options given win")
    parser.set_defaults(_recipe_options=recipe_options)


def read_variants(options: argparse.Namespace) -> list[tuple[str, Settings]]:
    """All combinations of the values given, each with a label that names what varies.

    A recipe's values come first, the command line's win. Raises `ConfigError` for an unknown key (with the nearest), or
    a value of the wrong kind.
    """
    homes = option_homes()
    values: dict[str, list[Any]] = {}
    for key, value in _recipe(options).items():
        if key in _RECIPE_ONLY:
            continue
        if key in options._recipe_options:
            if getattr(options, key, None) in (None, False):
                setattr(options, key, value)
        elif key == "sweep":
            values |= {name: list(several) for name, several in _checked_sweep(value, homes).items()}
        elif key in homes:
            values[key] = [value]
        else:
            known = [*homes, *options._recipe_options, "sweep", *_RECIPE_ONLY]
            raise ConfigError(f"{options.config} has an unknown key '{key}'.{suggest(key, known)}")
    for name in homes:
        given = getattr(options, name)
        if given is not None:
            values[name] = given
    names = list(values)
    converted = [[_convert(name, homes[name][1], value) for value in values[name]] for name in names]
    varying = [name for name in names if len(values[name]) > 1]
    variants = []
    for combination in itertools.product(*converted):
        chosen = dict(zip(names, combination, strict=True))
        label = ", ".join(f"{name.replace('_', ' ')} {_shown(chosen[name])}" for name in varying)
        variants.append((label, _settings(chosen, homes)))
    for _, settings in variants:
        settings.validate()
    return [(label, settings.tapped()) for label, settings in variants]


def _recipe(options: argparse.Namespace) -> dict[str, Any]:
    if options.config is None:
        return {}
    try:
        content = yaml.safe_load(options.config.read_text())
    except OSError as error:
        raise ConfigError(f"the recipe {options.config} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe {options.config} is not YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"the recipe {options.config} must hold keys and values.")
    return content


def _checked_sweep(sweep: Any, homes: dict[str, Any]) -> dict[str, list[Any]]:
    if not isinstance(sweep, dict) or not all(isinstance(several, list) for several in sweep.values()):
        raise ConfigError("a recipe's 'sweep' must map settings to lists of values.")
    for name in sweep:
        if name not in homes:
            raise ConfigError(f"the recipe's sweep has an unknown key '{name}'.{suggest(name, homes)}")
    return sweep


def _settings(chosen: dict[str, Any], homes: dict[str, tuple[str, dataclasses.Field[object]]]) -> Settings:
    parts: dict[str, dict[str, Any]] = {"objective": {}, "perceptual": {}, "descent": {}, "": {}}
    for name, value in chosen.items():
        home, entry = homes[name]
        parts[home][entry.name] = value
    return Settings(
        ObjectiveConfig(**parts["objective"]),
        PerceptualConfig(**parts["perceptual"]),
        OptimizeConfig(**parts["descent"]),
        **parts[""],
    )


def _convert(name: str, entry: dataclasses.Field[object], value: Any) -> Any:
    """A value from YAML or the command line as the field's type, which is a string here (`list[float] | None`)."""
    kind = str(entry.type)
    if value is None:
        return None
    try:
        if kind.startswith("list"):
            items = value if isinstance(value, list) else [part for part in str(value).split(",") if part]
            return [float(item) if "float" in kind else str(item) for item in items]
        if kind.startswith("int"):
            return int(value)
        if kind.startswith("float"):
            return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"--{name.replace('_', '-')} takes {_kind(kind)}, not '{value}'.") from error
    return str(value)


def _kind(kind: str) -> str:
    return {"int": "a whole number", "float": "a number", "list": "numbers with commas between them"}[
        kind.split("[")[0].split(" ")[0]
    ]


def _help(entry: dataclasses.Field[object]) -> str:
    factory = entry.default_factory
    default = entry.default if factory is dataclasses.MISSING else factory()
    return f"default: {_shown(default)}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
