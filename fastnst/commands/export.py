"""`fastnst export CHECKPOINT -o style.onnx`; checkpoints of matting networks become matting models."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
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
    made = export(options.checkpoint, options.output, options.precision, options.name, overwrite=options.overwrite)
    agreed = (
        f"{made.precision}; torch and onnxruntime agree in {made.agreement:.3%} of the values."
        if made.kind == "style"
        else f"weights in {made.precision}; its alpha differs from torch's by {made.agreement:.5f} of 1 on average."
    )
    sys.stdout.write(f"{made.path}: {made.kind} '{made.name}', {made.path.stat().st_size / 1e6:.2f} MB, {agreed}\n")
    return 0


@dataclass(frozen=True)
class Exported:
    """What was exported.

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
    checkpoint: Path, output: Path, precision: str | None = None, name: str | None = None, *, overwrite: bool = False
) -> Exported:
    """Write the model file of a trained network; raises `FastNSTError` for what cannot be one, or cannot be written.

    Args:
        checkpoint: .ckpt or .safetensors of a training, of styles or of matting.
        output: the .onnx to write.
        precision: `fp32` or `fp16`; None takes fp32 for styles and fp16 for the weights of matting models.
        name: of the style or model; None takes the trained one.
    """
    check_output(output, overwrite=overwrite)
    from fastnst.matting.weights import is_matting

    if is_matting(checkpoint):
        return _export_matting(checkpoint, output, precision or "fp16", name, overwrite)
    from fastnst.checkpoints import load_network
    from fastnst.export import export_style_model

    network, metadata = load_network(checkpoint)
    metadata = replace(metadata, name=name or metadata.name)
    precision = precision or "fp32"
    agreement = export_style_model(network, metadata, output, precision=precision, overwrite=overwrite)
    return Exported(output, "style", metadata.name, precision, agreement)


def _export_matting(checkpoint: Path, output: Path, precision: str, name: str | None, overwrite: bool) -> Exported:
    from fastnst.matting.export import export_matting_model
    from fastnst.matting.weights import load_matting

    network, metadata = load_matting(checkpoint)
    metadata = replace(metadata, name=name or metadata.name)
    difference = export_matting_model(network, metadata, output, precision=precision, overwrite=overwrite)
    return Exported(output, "matting model", metadata.name, precision, difference)
