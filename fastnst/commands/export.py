"""`fastnst export CHECKPOINT -o style.onnx`; checkpoints of matting networks become matting models."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.output_files import check_output


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Export a trained network as a style model file.")
    parser.add_argument("checkpoint", type=Path, help=".ckpt or .safetensors of a training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .onnx to write")
    parser.add_argument(
        "--precision", help="fp32, or fp16 for GPUs (default: fp32); of a matting model, the weights' (default: fp16)"
    )
    parser.add_argument("--name", help="name of the style or model (default: as trained)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst export") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    options = build_parser(prog).parse_args(argv)
    check_output(options.output, overwrite=options.overwrite)
    from fastnst.matting.weights import is_matting

    if is_matting(options.checkpoint):
        return _export_matting(options)
    from fastnst.checkpoints import load_network
    from fastnst.export import export_style_model

    network, metadata = load_network(options.checkpoint)
    if options.name:
        metadata = replace(metadata, name=options.name)
    precision = options.precision or "fp32"
    agreement = export_style_model(network, metadata, options.output, precision=precision, overwrite=options.overwrite)
    size = options.output.stat().st_size / 1e6
    sys.stdout.write(
        f"{options.output}: style '{metadata.name}', {size:.2f} MB, {precision};"
        f" torch and onnxruntime agree in {agreement:.3%} of the values.\n"
    )
    return 0


def _export_matting(options: argparse.Namespace) -> int:
    from fastnst.matting.export import export_matting_model
    from fastnst.matting.weights import load_matting

    network, metadata = load_matting(options.checkpoint)
    if options.name:
        metadata = replace(metadata, name=options.name)
    precision = options.precision or "fp16"
    difference = export_matting_model(
        network, metadata, options.output, precision=precision, overwrite=options.overwrite
    )
    size = options.output.stat().st_size / 1e6
    sys.stdout.write(
        f"{options.output}: matting model '{metadata.name}', {size:.2f} MB, weights in {precision};"
        f" its alpha differs from torch's by {difference:.5f} of 1 on average.\n"
    )
    return 0
