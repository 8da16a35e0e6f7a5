"""`fastnst export CHECKPOINT -o style.onnx`: trained networks as model files; older model files in today's format."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.commands.options.size import parse_size
from fastnst.errors import ConfigError
from fastnst.output_files import check_output
from fastnst.printable import printable
from fastnst.runtime.models.onnx_metadata import read_properties
from fastnst.standard_streams import print_result

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
        help="the report.json of fastnst compare, whose N_eq from noise the file will hold",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst export") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    arguments = build_parser(prog).parse_args(argv)
    size = parse_size(arguments.size, {}) if arguments.size else None
    made = export(
        arguments.checkpoint,
        arguments.output,
        arguments.precision,
        arguments.name,
        size=size,
        weights_licence=arguments.weights_licence,
        report=arguments.report,
        overwrite=arguments.overwrite,
    )
    shape = f", {size[1]}×{size[0]} only" if size else ""
    agreed = (
        f"{made.precision}{shape}; torch and onnxruntime agree in {made.agreement:.3%} of the values."
        if made.kind == "style"
        else f"weights in {made.precision}; its alpha differs from torch's by {made.agreement:.5f} of 1 on average."
    )
    megabytes = f"{made.path.stat().st_size / 1e6:.2f} MB"
    print_result(f"{printable(made.path)}: {made.kind} '{printable(made.name)}', {megabytes}, {agreed}\n")
    return 0


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: the model file.
        kind: `style` or `matting model`.
        name: what it says it is called.
        precision: fp32 or fp16.
        agreement: of a style, the share of values in which torch and onnxruntime agree; of a matting model, the mean
            difference of their alphas.
    """

    path: Path
    kind: str
    name: str
    precision: str
    agreement: float


def export(
    checkpoint: Path,
    output: Path,
    precision: str | None = None,
    name: str | None = None,
    *,
    size: tuple[int, int] | None = None,
    weights_licence: str | None = None,
    report: Path | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write the model file of a trained network; raises `FastNSTError` for what cannot be one, or cannot be written.

    Args:
        checkpoint: .ckpt or .safetensors of a training, of styles or of matting, or an .onnx of an earlier export.
        output: the .onnx to write.
        precision: `fp32` or `fp16`; None takes fp32 for styles, fp16 for the weights of matting models, and what an
            .onnx has.
        name: of the style or model; None takes the trained one.
        size: height and width, for a style that takes pictures of this size alone.
        weights_licence: of the trained weights; None keeps what is said of them.
        report: the report.json of `fastnst compare`, whose N_eq from noise a style's file will hold.
    """
    check_output(output, overwrite=overwrite)
    if name is not None and any("\ud800" <= mark <= "\udfff" for mark in name):  # bytes of another encoding
        raise ConfigError(f"the name {printable(name)} is no text: write it in UTF-8.")
    if not _is_matting(checkpoint):
        return _export_style(checkpoint, output, precision, name, size, weights_licence, report, overwrite)
    if size is not None:
        raise ConfigError("--size is for styles: a matting model takes any multiples of 32.")
    if report is not None:
        raise ConfigError("--report is for styles.")
    return _export_matting(checkpoint, output, precision, name, weights_licence, overwrite)


def _is_matting(path: Path) -> bool:
    if path.suffix == ".onnx" and os.path.isfile(path):
        return read_properties(path).get("fastnst.kind") == "matting"
    from fastnst.matting.weights import is_matting

    return is_matting(path)


def _export_style(
    checkpoint: Path,
    output: Path,
    precision: str | None,
    name: str | None,
    size: tuple[int, int] | None,
    weights_licence: str | None,
    report: Path | None,
    overwrite: bool,
) -> Exported:
    from fastnst.checkpoints import load_network
    from fastnst.metrics.comparison_report import equivalent_from_noise, read_report
    from fastnst.style_export import export_style_model

    network, metadata = load_network(checkpoint)
    if report is not None:
        equivalent = equivalent_from_noise(read_report(report, metadata.name))
        if equivalent is None:
            raise ConfigError(f"{report} has no N_eq from noise: compare with more --steps, or --start noise.")
        metadata = replace(metadata, lbfgs_equivalent=equivalent)
    metadata = replace(metadata, name=name or metadata.name)
    if weights_licence is not None:
        metadata = replace(metadata, weights_licence=weights_licence)
    precision = precision or (metadata.precision if checkpoint.suffix == ".onnx" else "fp32")
    agreement = export_style_model(network, metadata, output, precision=precision, size=size, overwrite=overwrite)
    return Exported(output, "style", metadata.name, precision, agreement)


def _export_matting(
    checkpoint: Path, output: Path, precision: str | None, name: str | None, licence: str | None, overwrite: bool
) -> Exported:
    from fastnst.matting.export import export_matting_model
    from fastnst.matting.exported import load_exported
    from fastnst.matting.weights import load_matting

    is_model = checkpoint.suffix == ".onnx"
    network, metadata = (load_exported if is_model else load_matting)(checkpoint)
    metadata = replace(metadata, name=name or metadata.name)
    if licence is not None:
        metadata = replace(metadata, licence=licence)
    precision = precision or (metadata.precision if is_model else "fp16")
    difference = export_matting_model(network, metadata, output, precision=precision, overwrite=overwrite)
    return Exported(output, "matting model", metadata.name, precision, difference)
