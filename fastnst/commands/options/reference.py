"""Options of the reference commands: one a setting, from a YAML recipe or the command line, several values a sweep."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastnst.reference.recipes import setting_options, shown

_ALIASES = {"content_layers": ["--content-layer"], "style_layers": ["--style-layer"], "perceptual": ["--backbone"]}


def add_settings(parser: argparse.ArgumentParser) -> None:
    """One option a setting, and `--config` for a recipe of them."""
    group = parser.add_argument_group("settings (several values make a sweep; lists are written with commas)")
    for option in setting_options().values():
        flags = [f"--{option.name.replace('_', '-')}", *_ALIASES.get(option.name, [])]
        default = "" if option.default is None else f" (default: {shown(option.default)})"
        about = f"{option.about.rstrip('.')}{default}".replace("%", "%%").replace("`", "")
        group.add_argument(*flags, dest=option.name, nargs="+", metavar="VALUE", help=about)
    parser.add_argument("--config", type=Path, metavar="YAML", help="a recipe that sets options; options given win")


def settings_of_arguments(options: argparse.Namespace) -> dict[str, list[str]]:
    """The settings that were given, as text."""
    values = {name: getattr(options, name) for name in setting_options()}
    return {name: several for name, several in values.items() if several is not None}
