"""The argument parser of all commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from fastnst.command_table import COMMANDS
from fastnst.errors import ConfigError, suggest
from fastnst.printable import printable
from fastnst.user_config import config_file, user_defaults
from fastnst.verbosity import QUIET, VERBOSE

_is_inspecting: ContextVar[bool] = ContextVar("is_inspecting", default=False)


class _InspectedError(Exception):
    """Carries a parser out of the command that made it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(main: Callable[[list[str], str], int], prog: str) -> argparse.ArgumentParser:
    """The parser that a command's `main` makes, without running the command."""
    token = _is_inspecting.set(True)
    try:
        main([], prog)
    except _InspectedError as inspected:
        return inspected.parser
    finally:
        _is_inspecting.reset(token)
    raise TypeError(f"{prog} parses nothing")


def hand_over(parser: argparse.ArgumentParser) -> None:
    """Give a parser that is about to parse to `parser_of`, where that runs the command; nothing elsewhere."""
    if _is_inspecting.get():
        raise _InspectedError(parser)


class Parser(argparse.ArgumentParser):
    """argparse's parser, but a wrong option is one sentence like every other error, not a page of usage.

    The user's own defaults (`fastnst.user_config`) take the place of those declared.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # An abbreviation may be another option's name: --perceptual was --perceptual-weights where there is no such.
        super().__init__(*arguments, **{"allow_abbrev": False} | options)
        self.register("type", Path, _path)
        # Taken from the command line before it comes here; declared for the help and for completion.
        self.add_argument(*QUIET, action="store_true", help="no progress and no remarks", dest=argparse.SUPPRESS)
        details = "report details, and where errors come from"
        self.add_argument(*VERBOSE, action="store_true", help=details, dest=argparse.SUPPRESS)

    def error(self, message: str) -> NoReturn:
        """Raise `ConfigError` with the message and where to read on."""
        raise ConfigError(f"{message}. {self.prog} --help shows the options.")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The arguments, with the user's defaults for what is not given."""
        hand_over(self)
        repeated: dict[str, Any] = {}
        command = self.prog.removeprefix("fastnst ")
        if command in COMMANDS:
            repeated = self._set_user_defaults(user_defaults(command, list(COMMANDS)))
        arguments = super().parse_args(args, namespace)
        for name, value in repeated.items():
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
        return arguments

    def _set_user_defaults(self, defaults: dict[str, Any]) -> dict[str, Any]:
        """Take these defaults; those of options that may be repeated come back, as argparse would add to them."""
        repeated: dict[str, Any] = {}
        options = {flag: action for action in self._actions for flag in action.option_strings if flag.startswith("--")}
        for key, value in defaults.items():
            action = options.get(f"--{key.replace('_', '-')}")
            where = f"{config_file()}: {key}"
            if action is None or action.dest == "help":
                known = [flag.removeprefix("--") for flag in options]
                raise ConfigError(f"{where} is not an option of {self.prog}.{suggest(key, known)}")
            read = _typed(self, action, value, where)
            if isinstance(action, argparse._AppendAction):
                repeated[action.dest] = [read]
            else:
                action.default = read
            action.required = False
            for group in self._mutually_exclusive_groups:
                if action in group._group_actions:
                    group.required = False
        return repeated


def _path(text: str) -> Path:
    """The path of an option; an empty text would be the current folder, which nobody means by it."""
    if not text:
        raise argparse.ArgumentTypeError("its name is empty")
    return Path(text)


def _typed(parser: argparse.ArgumentParser, action: argparse.Action, value: Any, where: str) -> Any:
    """A value of the user's file as the option's own, read from text as on the command line."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ConfigError(f"{where} takes true or false, not {value!r}.")
        return value
    if isinstance(value, list) and action.nargs in (None, argparse.OPTIONAL):
        raise ConfigError(f"{where} takes one value, not {printable(value, 80)}.")
    texts = [str(one) for one in value] if isinstance(value, list) else [str(value)]
    try:
        return parser._get_values(action, texts)
    except argparse.ArgumentError as error:
        raise ConfigError(f"{where}: {error.message}.") from error
