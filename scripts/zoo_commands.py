"""The commands that `make zoo` runs, each in a process of its own, and what they leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class RefusedError(Exception):
    """A style that does not ship, and why."""


def run(command: str, name: str, *arguments: object) -> None:
    """Run `fastnst COMMAND ARGUMENTS`. Raises `RefusedError` if it fails, `KeyboardInterrupt` after Ctrl-C."""
    sys.stdout.write(f"--- {name}: {command}\n")
    sys.stdout.flush()
    code = run_command([command, *map(str, arguments)])
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise RefusedError(f"{command} ended with exit code {code}; its message is above")


def run_command(arguments: list[str]) -> int:
    """Run `fastnst ARGUMENTS` in a process of its own, and return its exit code."""
    start = "from fastnst.cli import entry_point; entry_point()"
    command = [sys.executable, "-c", start, *arguments]
    if arguments[0] == "train":  # several GPUs start this script again
        command = [sys.executable, str(ROOT / "train.py"), *arguments[1:]]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it got the signal too, and ends when it has kept what it has


def newest(runs: Path, file: str) -> Path | None:
    """The file in the latest version of a run that has it."""
    found = {
        int(path.name.partition("_")[2]): path / file for path in runs.glob("*/version_*") if (path / file).is_file()
    }
    return found[max(found)] if found else None
