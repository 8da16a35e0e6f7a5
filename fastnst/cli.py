"""The `fastnst` command: finds the subcommand, imports only that, and turns errors into one line."""

from __future__ import annotations

import importlib
import io
import itertools
import logging
import os
import sys
import traceback

from fastnst import __version__
from fastnst.command_table import COMMANDS, REPORTING
from fastnst.errors import FastNSTError, suggest
from fastnst.printable import harmless_record, printable
from fastnst.verbosity import QUIET, VERBOSE, is_verbose, take_verbosity, verbosity

_TRAINING_PACKAGES = {
    "torch", "pytorch_lightning", "torchmetrics", "jsonargparse", "datasets", "safetensors", "onnx", "onnxscript",
    "h5py", "av", "matplotlib", "tensorboard", "yaml",
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Run `fastnst` with these arguments and return its exit code: 0, 1 (some photos failed) or 2 (bad input)."""
    said = list(itertools.takewhile(lambda one: one in (*QUIET, *VERBOSE), argv))
    argv = argv[len(said) :]
    if not argv or argv[0] in ("-h", "--help"):
        _write(_help())
        return 0
    if argv[0] == "--version":
        _write(f"fastnst {__version__}\n")
        return 0
    command, rest = argv[0], [*said, *argv[1:]]
    if command not in COMMANDS:
        _tell(f"unknown command '{printable(command, 60)}'.{suggest(command, COMMANDS)} See fastnst --help.")
        return 2
    return run(COMMANDS[command][0], rest, f"fastnst {command}")


def run(module: str, argv: list[str], prog: str) -> int:
    """Run the `main` of a command's module; what a user can get wrong becomes one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title that a Windows console cannot show is not a reason to fail
    logging.setLogRecordFactory(harmless_record)
    argv, quiet, verbose = take_verbosity(argv)
    results = module.rpartition(".")[2] in REPORTING or any(one in ("-h", "--help", "--help-all") for one in argv)
    with verbosity(quiet=quiet, verbose=verbose, results=results):
        return _guarded(module, argv, prog)


def _guarded(module: str, argv: list[str], prog: str) -> int:
    try:
        return int(importlib.import_module(module).main(argv, prog))
    except FastNSTError as error:
        if is_verbose():
            traceback.print_exc()
        _tell(str(error))
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _TRAINING_PACKAGES:
            raise
        _tell(f'this command needs {error.name}: pip install "fastnst[train]".')
        return 2
    except KeyboardInterrupt:
        _tell("interrupted; what was finished is kept.")
        return 130
    except BrokenPipeError:  # the reader of our output went away (| head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as stop:  # argparse's own: 0 after --help, 2 after a usage error
        return stop.code if isinstance(stop.code, int) else 2


def entry_point() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return (
        "usage: fastnst COMMAND [options]\n\n"
        "Restyle photos in the manner of a painting, in real time, and train new styles.\n\n"
        + "\n".join(lines)
        + "\n\nfastnst COMMAND --help shows a command's options; --quiet and --verbose go with each.\n"
    )


def _tell(sentence: str) -> None:
    """One line on stderr; whatever a file, a name or an option brought into it is harmless."""
    sys.stderr.write(f"fastnst: {printable(sentence)}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
