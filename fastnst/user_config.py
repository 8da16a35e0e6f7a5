"""The user's own defaults: `config.toml` in the configuration folder, one table a command.

    [stylize]
    max-size = 1600
    provider = "cpu"

    [train.trainer]
    accelerator = "gpu"

Keys are the long options without their dashes; of the training commands, what recipes have. What is given on the
command line, or in a recipe, wins. FASTNST_CONFIG names another file, or none if it is empty.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fastnst.cache import config_path
from fastnst.errors import ConfigError, suggest
from fastnst.input_files import check_numbers, expanded, read_text

CONFIG_FILE = "config.toml"


def config_file() -> Path | None:
    """The file with the user's defaults, whether or not it is there; None if FASTNST_CONFIG is empty."""
    own = os.environ.get("FASTNST_CONFIG")
    if own is None:
        return config_path() / CONFIG_FILE
    return expanded(own) if own else None


def user_defaults(command: str, commands: list[str]) -> dict[str, Any]:
    """The user's defaults for a command, by option; none if there is no file.

    Args:
        command: such as `stylize`.
        commands: all that there are, to refuse a table of another name.

    Raises `ConfigError` for a file that cannot be read, is not TOML, or has a table that is not a command's.
    """
    path = config_file()
    if path is None or (not os.path.exists(path) and "FASTNST_CONFIG" not in os.environ):
        return {}
    content = _read_toml(path)
    for name, table in content.items():
        if name not in commands:
            raise ConfigError(f"{path} has the table '{name}', which is not a command.{suggest(name, commands)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path} must have a table [{name}] of options, not {name} = {table!r}.")
    found: dict[str, Any] = content.get(command, {})
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = read_text(path, "configuration")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of thousands of digits
        raise ConfigError(f"the configuration {path} is not TOML ({str(error).splitlines()[0][:200]}).") from error
    check_numbers(content, f"the configuration {path}")
    return content
