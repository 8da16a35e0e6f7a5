"""`fastnst batch INPUT… -o OUTPUT --style NAME`: any number of pictures, by processes or by a Ray cluster."""

from __future__ import annotations

import argparse
import time

from fastnst.commands.options.parser import Parser
from fastnst.runtime.finishing import RestyleOptions
from fastnst.scale import BatchOptions, Summary, stylize_dataset
from fastnst.standard_streams import print_message, print_result

_REPORT_SECONDS = 10.0


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Restyle any number of pictures, and go on after an interruption.")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="folders, pictures, .parquet, .tar (WebDataset) and list files (.txt); paths or addresses such as s3://…",
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUTPUT", help="a folder, or an address")
    parser.add_argument("--style", required=True, metavar="STYLE", help="a name, a file, a mix, or hf://user/name")
    parser.add_argument("--strength", type=float, default=1.0, help="0 leaves the photo, 1 is the full style")
    parser.add_argument("--preserve-color", action="store_true", help="keep the photo's colours")
    parser.add_argument("--stroke", type=float, default=1.0, help="size of the strokes, 0.5 to 2 (default: 1)")
    parser.add_argument("--max-size", type=int, help="reduce pictures to this long side in pixels first")
    parser.add_argument("--format", metavar="SUFFIX", help="write all results as jpg, png, webp or tiff")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (default: 95)")
    parser.add_argument("--engine", default="local", help="local (processes) or ray (a cluster) (default: local)")
    parser.add_argument("--workers", type=int, help="processes or actors (default: one for every two cores)")
    parser.add_argument("--threads", type=int, help="CPU threads of each worker (default: the cores, divided)")
    parser.add_argument("--gpus", type=float, default=0.0, help="GPUs of each Ray actor, 0.5 for two on one")
    parser.add_argument("--provider", default="auto", help="auto, cpu, openvino, cuda or tensorrt (default: auto)")
    parser.add_argument("--image-column", metavar="NAME", help="of parquet files (default: found by its type)")
    parser.add_argument("--allow-huge", action="store_true", help="take pictures above 179 megapixels")
    parser.add_argument("--overwrite", action="store_true", help="make everything anew, also what other settings made")
    return parser


def main(argv: list[str], prog: str = "fastnst batch") -> int:
    """Run the command: 0, or 1 if some pictures could not be made; raises `FastNSTError` if nothing can be done."""
    arguments = build_parser(prog).parse_args(argv)
    options = BatchOptions(
        arguments.style,
        RestyleOptions(arguments.strength, arguments.preserve_color, arguments.stroke),
        None if arguments.format is None else arguments.format.lower().lstrip("."),
        arguments.quality,
        arguments.max_size,
        arguments.provider,
        arguments.engine,
        arguments.workers,
        arguments.threads,
        arguments.gpus,
        arguments.image_column,
        arguments.allow_huge,
    )
    summary = stylize_dataset(
        arguments.inputs, arguments.output, options, overwrite=arguments.overwrite, watcher=_Reporter()
    )
    for sentence in summary.first_failures:
        print_message(sentence)
    if summary.failed > len(summary.first_failures):
        print_message(f"… and {summary.failed - len(summary.first_failures)} more failed.")
    rate = summary.made / max(summary.seconds, 1e-9)
    kept = f", {summary.kept} were there already" if summary.kept else ""
    print_result(
        f"{arguments.output}: {summary.made} pictures made{kept}, {summary.failed} failed, {summary.seconds:.1f} s,"
        f" {rate:.1f} a second; each is a line of {summary.manifest}\n"
    )
    return 1 if summary.failed else 0


class _Reporter:
    """A line on stderr every ten seconds: batches run where nobody watches a bar."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, summary: Summary) -> None:
        now = time.monotonic()
        if now - self._last < _REPORT_SECONDS:
            return
        self._last = now
        rate = summary.made / max(summary.seconds, 1e-9)
        print_message(f"{summary.made} made, {summary.kept} kept, {summary.failed} failed, {rate:.1f} a second")
