"""The `fastnst` command: finds the subcommand, imports only that, and turns errors into one line."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys

from fastnst import __version__
from fastnst.errors import FastNSTError, suggest
from fastnst.printable import harmless_record, printable

COMMANDS = {
    "stylize": ("fastnst.commands.stylize", "restyle photos, folders of photos, videos and GIFs"),
    "join": ("fastnst.commands.join", "join pieces of a long clip that were restyled one by one"),
    "camera": ("fastnst.commands.camera", "restyle the camera, live"),
    "web": ("fastnst.commands.web", "open a page that restyles photos and the camera in the browser"),
    "styles": ("fastnst.commands.styles", "list the styles that are installed"),
    "matte": ("fastnst.commands.matte", "tell people from the background: mattes, cut-outs, composites"),
    "train": ("fastnst.commands.train", "train a style from a painting and photos"),
    "train-start": ("fastnst.commands.train_start", "learn the network that every training begins from"),
    "train-matting": ("fastnst.commands.train_matting", "train the network that finds people"),
    "optimize": ("fastnst.commands.optimize", "restyle one photo by per-image optimization; sweep settings"),
    "reconstruct": ("fastnst.commands.reconstruct", "show what single layers keep of a photo"),
    "texture": ("fastnst.commands.texture", "grow textures with a painting's statistics"),
    "compare": ("fastnst.commands.compare", "measure a trained style against per-image optimization"),
    "preview": ("fastnst.commands.preview", "show what a training will aim at, before it starts"),
    "bench": ("fastnst.commands.bench", "time styles at several sizes on the engines of this machine"),
    "distill": ("fastnst.commands.distill", "train the perceptual network that ships, from VGG-19"),
    "card": ("fastnst.commands.card", "write a style's card from its model file and its comparison"),
    "batch": ("fastnst.commands.batch", "restyle a million pictures, by processes or by a Ray cluster"),
    "triton": ("fastnst.commands.triton", "write a model repository for NVIDIA's Triton Inference Server"),
    "push": ("fastnst.commands.push", "put a style on the Hugging Face hub"),
    "pull": ("fastnst.commands.pull", "install a style from the hub or from an index of styles"),
    "export": ("fastnst.commands.export", "turn a trained network into a style model file"),
}
_TRAINING_PACKAGES = {
    "torch", "torchvision", "pytorch_lightning", "jsonargparse", "datasets", "safetensors", "onnx", "onnxscript",
    "h5py", "av", "matplotlib", "tensorboard", "yaml",
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Run `fastnst` with these arguments and return its exit code: 0, 1 (some photos failed) or 2 (bad input)."""
    if not argv or argv[0] in ("-h", "--help"):
        _write(_help())
        return 0
    if argv[0] == "--version":
        _write(f"fastnst {__version__}\n")
        return 0
    command, rest = argv[0], argv[1:]
    if command not in COMMANDS:
        _tell(f"unknown command '{printable(command, 60)}'.{suggest(command, COMMANDS)} See fastnst --help.")
        return 2
    return run(COMMANDS[command][0], rest, f"fastnst {command}")


def run(module: str, argv: list[str], prog: str) -> int:
    """Run the `main` of a command's module; what a user can get wrong becomes one line on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title that a Windows console cannot show is no reason to fail
    logging.setLogRecordFactory(harmless_record)
    try:
        return int(importlib.import_module(module).main(argv, prog))
    except FastNSTError as error:
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
        + "\n\nfastnst COMMAND --help tells a command's options.\n"
    )


def _tell(sentence: str) -> None:
    """One line on stderr; whatever a file, a name or an option brought into it is harmless."""
    sys.stderr.write(f"fastnst: {printable(sentence)}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
