"""The command line of every benchmark: its help as written, one sentence for what is wrong, its figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fastnst.errors import FastNSTError


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the module's docstring, line by line."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def write_json(figures: object, path: Path | None = None) -> None:
    """Print the figures; with a path, keep them there too."""
    text = json.dumps(figures, indent=2) + "\n"
    if path is not None:
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def run_command(main: Callable[[], int]) -> NoReturn:
    """End the process with what `main` returns, or with one sentence and 2 for what a user can mend."""
    try:
        sys.exit(main())
    except FastNSTError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
