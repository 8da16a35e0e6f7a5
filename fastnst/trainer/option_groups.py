"""Groups of options, `model.objective` for one: a recipe that puts something else in their place is refused."""

from __future__ import annotations

from typing import Any

from jsonargparse import ArgumentParser, Namespace

from fastnst.errors import ConfigError
from fastnst.printable import printable


def check_groups(parser: ArgumentParser, settings: Namespace) -> None:
    """Raise `ConfigError` for a group that has a value instead of options: the parser takes it, and then stumbles.

    Args:
        parser: which has the options.
        settings: what it read.
    """
    # Beside what takes a class there is a help about it, `trainer.logger.help`, which makes no group of it.
    names = (option.dest.split(".") for option in parser._actions if not option.dest.endswith(".help"))
    groups = {".".join(parts[:length]): None for parts in names for length in range(1, len(parts))}
    for group in groups:
        found: Any = settings.get(group)
        if group in settings and not isinstance(found, Namespace):
            shown = "null" if found is None else printable(found, 80)
            raise ConfigError(f"{group} takes keys and values, not {shown}.")
