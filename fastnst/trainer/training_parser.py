"""The parser of the training commands: errors of one sentence, a help that fits a screen or two."""

from __future__ import annotations

import math
import re
import stat
from pathlib import Path
from typing import Any

from pytorch_lightning.cli import LightningArgumentParser

from fastnst.errors import ConfigError, suggest
from fastnst.trainer.trusted_names import TRUST_FLAG, untrusted

ALL_HELP_FLAG = "--help-all"
_MAX_MESSAGE_CHARACTERS = 400  # characters of a message
_MIN_TRAINER_VALUES = {
    "accumulate_grad_batches": 1, "check_val_every_n_epoch": 1, "num_nodes": 1, "log_every_n_steps": 0,
    "gradient_clip_val": 0, "val_check_interval": 0, "limit_train_batches": 0, "limit_val_batches": 0,
    "num_sanity_val_steps": -1, "max_epochs": -1, "reload_dataloaders_every_n_epochs": 0,
}  # fmt: skip
_GROUPS = ("trainer", "model", "data", "guards")  # of keys that recipes set rather than people
_FORMER_KEYS = {  # of version 0.2: in recipes, and in the config.yaml that its runs saved
    "guards.returns": "guards.max_rollbacks",
    "model.weave_weight": "model.objective.periodicity_weight",
    "model.temporal": "model.objective.temporal_weight",
    "model.first_judge": "model.warmup_perceptual",
}


class Parser(LightningArgumentParser):
    """LightningCLI's parser, but errors are one sentence, and `--help` shows the everyday options only."""

    everything = False  # whether the help shows the several hundred others too

    def error(self, message: str, ex: Exception | None = None) -> None:  # type: ignore[override]
        """Raise `ConfigError`; a misspelt key names the nearest that exists."""
        raise ConfigError(_one_sentence(message, self))

    def format_help(self, formatter: Any = None) -> str:
        """The everyday options, or all of them."""
        if self.everything:
            return str(super().format_help(formatter))
        formatter = formatter or self._get_formatter()
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


def check_training_recipe(content: dict[str, Any], path: Path) -> None:
    """Rename former keys; raise `ConfigError` for what the parser would misunderstand, or wait for."""
    for group in _GROUPS:
        value = content.get(group, {})
        if value is None:
            del content[group]  # `model:` with nothing below it
        elif not isinstance(value, dict):
            raise ConfigError(
                f"the configuration {path} must hold keys and values under '{group}', not {_shown(value)}."
            )
    _rename_former_keys(content)
    painting = content.get("painting")
    if isinstance(painting, str):
        content["painting"] = [painting]
    elif painting is not None and not (isinstance(painting, list) and all(isinstance(one, str) for one in painting)):
        raise ConfigError(f"the configuration {path} must name files as its painting, not {_shown(painting)}.")
    _check_files(content, path)


def _rename_former_keys(content: dict[str, Any]) -> None:
    """Give what stands under a former key the one of today, unless that is there too."""
    for former, today in _FORMER_KEYS.items():
        group, key = former.split(".")
        if key not in content.get(group, {}):
            continue
        value = content[group].pop(key)
        *groups, last = today.split(".")
        place = content
        for name in groups:
            place[name] = place.get(name) or {}  # `objective:` with nothing below it
            place = place[name]
        if isinstance(place, dict):  # else the parser says what it takes
            place.setdefault(last, value)


def check_trainer_options(options: Any) -> None:
    """Raise `ConfigError` for numbers that Lightning takes and then stumbles over."""
    for name, minimum in _MIN_TRAINER_VALUES.items():
        value = options.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and not minimum <= value < math.inf:
            raise ConfigError(f"trainer.{name} must be a finite number of at least {minimum}, not {value}.")


def _check_files(value: Any, path: Path) -> None:
    """Refuse pipes and devices, from which the parser would read without end."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _check_files(one, path)
    elif isinstance(value, str):
        try:
            mode = Path(value).stat().st_mode
        except (OSError, ValueError):
            return
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ConfigError(f"the configuration {path} names {_shown(value)}, which is neither a file nor a folder.")


_KINDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "list": "a list"}


def _one_sentence(message: str, parser: LightningArgumentParser) -> str:
    """jsonargparse's message on one line, with the nearest key for one that does not exist."""
    text = " ".join(message.split()).rstrip(".")
    denied = re.search(r"(?:Importing|the configuration names) '([\w.]+)'(?: is not allowed|, but may)", text)
    if denied:
        return untrusted(denied[1])
    text = text.removeprefix('Parser key "config": ')
    wrong = re.fullmatch(r"Parser key \"([^\"]+)\": Expected a <class '(\w+)'>\. Got value: (.*)", text)
    if wrong:
        return f"{wrong[1]} takes {_KINDS.get(wrong[2], wrong[2])}, not {_shown(wrong[3])}."
    union = re.match(r"Parser key \"([^\"]+)\": .*Union subtypes.*Given value: (.*)", text)
    if union:
        return f"{union[1]} does not take {_shown(union[2])}; {ALL_HELP_FLAG} lists what each option takes."
    match = re.search(r"(?:unrecognized arguments:|accept option|[Kk]ey|[Oo]ption) ['\"]?(?:--)?([\w.-]+)", text)
    if match and match[1] in _FORMER_KEYS:
        return f"{match[1]} is {_FORMER_KEYS[match[1]]} now."
    known = [action.dest for action in parser._actions]
    near = suggest(match[1], known) if match and match[1] not in known else ""
    return f"{text[:_MAX_MESSAGE_CHARACTERS]}{'…' if len(text) > _MAX_MESSAGE_CHARACTERS else '.'}{near}"


def _shown(value: object) -> str:
    text = str(value)
    return f"'{text[:80]}…'" if len(text) > 80 else f"'{text}'"
