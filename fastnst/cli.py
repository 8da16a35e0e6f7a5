"""The `fastnst` command: finds the subcommand, imports only that, and turns errors into one line."""

from __future__ import annotations

import gc
import importlib
import itertools
import logging
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType

from fastnst import __version__
from fastnst.command_table import COMMANDS, REPORTING
from fastnst.errors import FastNSTError, MissingDependencyError, suggest, unencodable
from fastnst.interrupts import end_at_once_on_interrupt, note_interrupts, was_interrupted
from fastnst.printable import harmless_record, printable
from fastnst.standard_streams import discard, prepare_streams, print_message, print_result
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
        print_result(_help())
        return 0
    if argv[0] == "--version":
        print_result(f"fastnst {__version__}")
        return 0
    command, rest = argv[0], [*said, *argv[1:]]
    if command not in COMMANDS:
        print_message(f"unknown command '{printable(command, 60)}'.{suggest(command, COMMANDS)} See fastnst --help.")
        return 2
    return run(COMMANDS[command][0], rest, f"fastnst {command}")


def run(module: str, argv: list[str], prog: str) -> int:
    """Run the `main` of a command's module; what a user can get wrong becomes one line on stderr and exit code 2."""
    prepare_streams()
    note_interrupts()
    logging.setLogRecordFactory(harmless_record)
    argv, quiet, verbose = take_verbosity(argv)
    results = module.rpartition(".")[2] in REPORTING or any(one in ("-h", "--help", "--help-all") for one in argv)
    with verbosity(quiet=quiet, verbose=verbose, results=results):
        return _guarded(lambda: int(_imported(module).main(argv, prog)))


def _imported(module: str) -> ModuleType:
    """A command's module, imported without looking for garbage: torch and Lightning are a million objects that stay."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if collects:
            gc.freeze()  # or the first collection, in the middle of the command, looks at all of them
            gc.enable()


def _guarded(command: Callable[[], int]) -> int:
    """A command's exit code; what is nobody's fault but the user's, the machine's or a file's is one line on stderr."""
    try:
        return command()
    except SystemExit as stop:  # argparse's own: 0 after --help, 2 after a usage error
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:  # the reader of our output went away (| head)
        discard(1)
        return 0
    except KeyboardInterrupt:
        print_message("interrupted; what was finished is kept.")
        return 130
    except Exception as error:
        is_known = isinstance(error, FastNSTError) and not isinstance(error, MissingDependencyError)
        if was_interrupted() and not is_known:  # in the middle of an import, it comes as something else
            print_message("interrupted; what was finished is kept.")
            return 130
        sentence = _sentence(error)
        if sentence is None:
            raise
        if is_verbose():
            traceback.print_exc()
        print_message(sentence)
        return 2


def _sentence(error: Exception) -> str | None:
    """What to tell a user of an error; None if it is a fault of ours, which is told in full."""
    if isinstance(error, FastNSTError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in _TRAINING_PACKAGES:
        return f'this command needs {error.name}: pip install "fastnst[train]".'
    if isinstance(error, MemoryError):
        return "the memory of this machine does not suffice: take smaller pictures or batches."
    if isinstance(error, UnicodeEncodeError):
        return unencodable(error)
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str | bytes | os.PathLike):
        return f"{os.fsdecode(error.filename)} cannot be read or written ({error.strerror})."
    if isinstance(error, OSError) and error.strerror:
        return f"the system refuses to go on ({error.strerror})."
    return None


def entry_point(module: str | None = None, prog: str = "fastnst") -> None:
    """The console script; with a module, the script that runs this command alone."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # workers import nothing that lies in the folder they start in
    prepare_streams()
    note_interrupts()
    code = _guarded(lambda: run(module, sys.argv[1:], prog) if module else main(sys.argv[1:]))
    end_at_once_on_interrupt()  # nothing is left to do but to leave
    gc.freeze()  # nor to look for what could be freed: the system takes it all
    sys.exit(code)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return (
        "usage: fastnst COMMAND [options]\n\n"
        "Restyle photos in the manner of a painting, in real time, and train new styles.\n\n"
        + "\n".join(lines)
        + "\n\nfastnst COMMAND --help shows a command's options; --quiet and --verbose go with each.\n"
    )
