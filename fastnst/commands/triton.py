"""`fastnst triton NAME… -o repository/`: a model repository for NVIDIA's Triton Inference Server."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.errors import ConfigError
from fastnst.runtime.models.catalog import resolve_style
from fastnst.serving.triton import TritonOptions, write_repository
from fastnst.standard_streams import print_result


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Write a model repository for NVIDIA's Triton Inference Server.")
    parser.add_argument("styles", nargs="+", metavar="STYLE", help="names of styles, .onnx files, hf://user/name")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the repository")
    parser.add_argument("--max-batch", type=int, default=8, help="pictures of one size at once (default: 8)")
    parser.add_argument(
        "--queue-delay", type=int, default=2000, metavar="µs", help="to wait for others (default: 2000)"
    )
    parser.add_argument("--instances", type=int, default=1, help="copies of each model on a device (default: 1)")
    parser.add_argument("--device", default="auto", help="auto, gpu or cpu (default: auto)")
    parser.add_argument(
        "--warm-up", nargs="*", default=["1280x720"], metavar="WxH", help="sizes run at the start (default: 1280x720)"
    )
    parser.add_argument("--tensorrt", action="store_true", help="let TensorRT run it, in half precision")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def main(argv: list[str], prog: str = "fastnst triton") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    arguments = build_parser(prog).parse_args(argv)
    sizes = tuple(_size(text) for text in arguments.warm_up)
    options = TritonOptions(
        arguments.max_batch, arguments.queue_delay, arguments.instances, arguments.device, sizes, arguments.tensorrt
    )
    files = [resolve_style(style) for style in arguments.styles]
    styles = {file.stem: file for file in files}
    if len(styles) < len(files):
        raise ConfigError("two of the styles have one name: a server's models are distinguished by it.")
    made = write_repository(styles, arguments.output, options, overwrite=arguments.overwrite)
    count = "1 model" if len(made) == 1 else f"{len(made)} models"
    print_result(f"{arguments.output}: {count}; tritonserver --model-repository={arguments.output.resolve()}\n")
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})[x×]([0-9]{1,5})", text)
    if match is None:
        raise ConfigError(f"a warm-up is a size such as 1280x720, not '{text[:40]}'.")
    return int(match[1]), int(match[2])
