"""`fastnst export CHECKPOINT -o style.onnx`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from fastnst.commands.parser import Parser
from fastnst.images import check_output


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Export a trained network as a style model file.")
    parser.add_argument("checkpoint", type=Path, help=".ckpt or .safetensors of a training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .onnx to write")
    parser.add_argument("--precision", default="fp32", help="fp32, or fp16 for GPUs (default: fp32)")
    parser.add_argument("--name", help="name of the style (default: as trained)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst export") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    options = build_parser(prog).parse_args(argv)
    check_output(options.output, overwrite=options.overwrite)
    from fastnst.export import export_style_model
    from fastnst.weights import load_network

    network, metadata = load_network(options.checkpoint)
    if options.name:
        metadata = replace(metadata, name=options.name)
    agreement = export_style_model(
        network, metadata, options.output, precision=options.precision, overwrite=options.overwrite
    )
    size = options.output.stat().st_size / 1e6
    sys.stdout.write(
        f"{options.output}: style '{metadata.name}', {size:.2f} MB, {options.precision};"
        f" torch and onnxruntime agree in {agreement:.3%} of the values.\n"
    )
    return 0
