"""The argument parser of all commands."""

from __future__ import annotations

import argparse
from typing import NoReturn

from fastnst.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """argparse's parser, but a wrong option is one sentence like every other error, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Raise `ConfigError` with the message and where to read on."""
        raise ConfigError(f"{message}. {self.prog} --help tells the options.")
