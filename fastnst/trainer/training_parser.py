"""The parser of the training commands: errors of one sentence, a help that fits a screen or two."""

from __future__ import annotations

import re
from typing import Any

from pytorch_lightning.cli import LightningArgumentParser

from fastnst.errors import ConfigError, suggest
from fastnst.trainer.trusted_names import TRUST_FLAG, untrusted

ALL_HELP_FLAG = "--help-all"
_LONGEST = 400  # characters of a message
_GROUPS = ("trainer", "model", "data", "guards")  # of keys that recipes set rather than people


class Parser(LightningArgumentParser):
    """LightningCLI's parser, but errors are one sentence, and `--help` shows the everyday options only."""

    everything = False  # whether the help shows the several hundred others too

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Raise `ConfigError`; a misspelt key names the nearest that exists."""
        raise ConfigError(_one_sentence(message, self))

    def format_help(self) -> str:
        """The everyday options, or all of them."""
        if self.everything:
            return str(super().format_help())
        formatter = self._get_formatter()
        formatter.add_usage(self.usage or f"{self.prog} [options]", [], [])
        formatter.add_text(self.description)
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if _is_everyday(action)])
        formatter.end_section()
        formatter.add_text(
            f"{self.prog} {ALL_HELP_FLAG} lists every key of the trainer, the model and the data, which recipes set."
            f" {TRUST_FLAG} lets a configuration name other classes than fastnst's and Lightning's."
        )
        return str(formatter.format_help())


class AllHelpParser(Parser):
    """The same with a help that lists everything."""

    everything = True


def _is_everyday(action: Any) -> bool:
    return bool(action.option_strings) and action.dest.split(".")[0] not in _GROUPS


def _one_sentence(message: str, parser: LightningArgumentParser) -> str:
    """jsonargparse's message on one line, with the nearest key for one that does not exist."""
    text = " ".join(message.split()).rstrip(".")
    denied = re.search(r"Importing '([\w.]+)' is not allowed", text)
    if denied:
        return untrusted(denied[1])
    text = text.removeprefix('Parser key "config": ')
    match = re.search(r"(?:unrecognized arguments:|accept option|[Kk]ey|[Oo]ption) ['\"]?(?:--)?([\w.-]+)", text)
    near = suggest(match[1], [action.dest for action in parser._actions]) if match else ""
    return f"{text[:_LONGEST]}{'…' if len(text) > _LONGEST else '.'}{near}"
