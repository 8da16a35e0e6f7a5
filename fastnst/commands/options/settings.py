"""Commands whose options are the fields of a dataclass, on the command line and in recipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import jsonargparse

from fastnst.commands.options.parser import hand_over
from fastnst.errors import ConfigError
from fastnst.recipes import with_bases
from fastnst.trainer.option_groups import check_groups

T = TypeVar("T")


class SettingsParser(jsonargparse.ArgumentParser):
    """Ends with one sentence instead of a page of usage."""

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Raise `ConfigError`."""
        raise ConfigError(" ".join(message.split()).rstrip(".") + ".")


def settings_parser(prog: str, description: str, settings: type[Any], flag: str, about: str) -> SettingsParser:
    """A parser of `--config`, one flag of the command's own, and the fields of a dataclass."""
    parser = SettingsParser(prog=prog, description=description)
    parser.add_argument("--config", action="config", help="a YAML file with these options")
    parser.add_argument("--base", type=str | None, default=None, help="in a YAML file: the file that it changes")
    parser.add_argument(f"--{flag}", action="store_true", help=about)
    parser.add_class_arguments(settings)
    return parser


def read_settings(parser: SettingsParser, argv: Sequence[str], settings: type[T], flag: str) -> tuple[T, bool]:
    """The dataclass that a command line asks for, and whether its flag is there. Raises `ConfigError`."""
    hand_over(parser)
    chosen = parser.parse_args(with_bases(argv))
    check_groups(parser, chosen)
    is_set = bool(chosen.pop(flag))
    chosen.pop("base")
    chosen.pop("config")
    return settings(**vars(parser.instantiate(chosen))), is_set
