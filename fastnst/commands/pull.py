"""`fastnst pull hf://user/name`, `fastnst pull NAME --from URL`: install a style of somebody else's."""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from fastnst.commands.options.parser import Parser
from fastnst.errors import ConfigError, OutputError
from fastnst.hub import fetch_style, parse_hub_address
from fastnst.output_files import write_atomically
from fastnst.runtime.models.catalog import available_styles, own_style_folder
from fastnst.runtime.stylizer import Stylizer
from fastnst.standard_streams import print_result

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Install a style from the Hugging Face hub or from an index of styles.")
    parser.add_argument("style", metavar="STYLE", help="hf://user/name[@revision]; with --from, a name of that index")
    parser.add_argument("--from", dest="index", metavar="URL", help="an index of styles, or the folder that holds it")
    parser.add_argument("--as", dest="name", metavar="NAME", help="what to call it here (default: its own name)")
    parser.add_argument("--overwrite", action="store_true", help="replace a style that was installed under this name")
    return parser


def main(argv: list[str], prog: str = "fastnst pull") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong or cannot be had."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    arguments = build_parser(prog).parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.index is not None:
            from fastnst.sharing.index import fetch_indexed

            file = Path(scratch) / "style.onnx"
            name = fetch_indexed(arguments.index, arguments.style, file).name
        else:
            address = parse_hub_address(arguments.style)
            file, name = fetch_style(address), address.name
        installed = install(file, arguments.name or name, overwrite=arguments.overwrite)
    print_result(f"{installed}: use it with --style {installed.stem}\n")
    return 0


def install(file: Path, name: str, *, overwrite: bool = False) -> Path:
    """Put a style model file where styles are found by name, after it was opened and has restyled a small picture.

    Raises `ConfigError` for a name that is none or that another style has, `ModelError` for a file that does not keep
    the contract, `OutputError` if it exists already (without `overwrite`) or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"'{name[:100]}' cannot be a style's name: take letters, digits, _, - and . (--as NAME).")
    target = own_style_folder() / f"{name}.onnx"
    existing = available_styles().get(name)
    if existing is not None and existing != target:
        raise ConfigError(
            f"there is a style '{name}' already ({existing}): call this one something else with --as NAME."
        )
    if os.path.exists(target) and not overwrite:
        raise OutputError(f"{target} exists already: pass --overwrite to replace it, or --as NAME.")
    Stylizer(file, "cpu").restyle(np.zeros((32, 48, 3), np.uint8))
    with write_atomically(target, overwrite=overwrite) as partial:
        shutil.copyfile(file, partial)
    return target
