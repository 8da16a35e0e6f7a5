"""`fastnst export CHECKPOINT -o style.onnx`: trained networks as model files; older model files in today's format."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.commands.options.size import parse_size
from fastnst.errors import ConfigError
from fastnst.output_files import check_output
from fastnst.printable import printable
from fastnst.runtime.models.onnx_metadata import read_properties

_DESCRIPTION = """\
Export a trained network as a style model file, or a checkpoint of a matting network as a matting model. A model file
that was exported before is written anew in today's format, with all that it says of itself."""


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description=_DESCRIPTION)
    parser.add_argument("checkpoint", type=Path, help=".ckpt or .safetensors of a training, or an .onnx of an export")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .onnx to write")
    parser.add_argument(
        "--precision",
        help="fp32, or fp16 for GPUs (default: fp32, or what an .onnx has); of a matting model, the weights' (default:"
        " fp16)",
    )
    parser.add_argument(
        "--size",
        metavar="WxH",
        help="a copy for pictures of this size alone, for runtimes that need it (OpenCV's dnn, Unity, old engines)",
    )
    parser.add_argument("--name", help="name of the style or model (default: as trained)")
    parser.add_argument("--weights-licence", metavar="TEXT", help="of the trained weights, beside the painting's")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="JSON",
        help="the report.json of fastnst compare, whose N_eq from noise the file will tell",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst export") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    options = build_parser(prog).parse_args(argv)
    size = parse_size(options.size, {}) if options.size else None
    check_output(options.output, overwrite=options.overwrite)
    if _is_matting(options.checkpoint):
        if size is not None:
            raise ConfigError("--size is for styles: a matting model takes any multiples of 32.")
        if options.report is not None:
            raise ConfigError("--report is for styles.")
        return _export_matting(options)
    return _export_style(options, size)


def _is_matting(path: Path) -> bool:
    if path.suffix == ".onnx" and path.is_file():
        return read_properties(path).get("fastnst.kind") == "matting"
    from fastnst.matting.weights import is_matting

    return is_matting(path)


def _export_style(options: argparse.Namespace, size: tuple[int, int] | None) -> int:
    from fastnst.checkpoints import load_network
    from fastnst.export import export_style_model
    from fastnst.metrics.comparison_report import equivalent_from_noise, read_report

    network, metadata = load_network(options.checkpoint)
    if options.report is not None:
        equivalent = equivalent_from_noise(read_report(options.report, metadata.name))
        if equivalent is None:
            raise ConfigError(f"{options.report} has no N_eq from noise: compare with more --steps, or --start noise.")
        metadata = replace(metadata, lbfgs_equivalent=equivalent)
    if options.name:
        metadata = replace(metadata, name=options.name)
    if options.weights_licence is not None:
        metadata = replace(metadata, weights_licence=options.weights_licence)
    kept = metadata.precision if options.checkpoint.suffix == ".onnx" else "fp32"
    precision = options.precision or kept
    agreement = export_style_model(
        network, metadata, options.output, precision=precision, size=size, overwrite=options.overwrite
    )
    shape = f", {size[1]}×{size[0]} only" if size else ""
    sys.stdout.write(
        f"{printable(options.output)}: style '{printable(metadata.name)}', {_megabytes(options.output)}, {precision}"
        f"{shape}; torch and onnxruntime agree in {agreement:.3%} of the values.\n"
    )
    return 0


def _export_matting(options: argparse.Namespace) -> int:
    from fastnst.matting.export import export_matting_model
    from fastnst.matting.exported import load_exported
    from fastnst.matting.weights import load_matting

    is_model = options.checkpoint.suffix == ".onnx"
    network, metadata = (load_exported if is_model else load_matting)(options.checkpoint)
    precision = options.precision or (metadata.precision if is_model else "fp16")
    if options.name:
        metadata = replace(metadata, name=options.name)
    if options.weights_licence is not None:
        metadata = replace(metadata, licence=options.weights_licence)
    difference = export_matting_model(
        network, metadata, options.output, precision=precision, overwrite=options.overwrite
    )
    sys.stdout.write(
        f"{printable(options.output)}: matting model '{printable(metadata.name)}', {_megabytes(options.output)},"
        f" weights in {precision}; its alpha differs from torch's by {difference:.5f} of 1 on average.\n"
    )
    return 0


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"
