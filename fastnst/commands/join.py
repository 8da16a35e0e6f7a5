"""`fastnst join PIECE… --source CLIP -o OUT`: the pieces of a long clip, restyled one by one, become one again."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.standard_streams import print_message, print_result


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(
        prog=prog,
        description="Join pieces of a clip that were restyled with --start and --end, into what one run had made.",
        epilog="Pictures are copied from the pieces, sound and subtitles from the source.",
    )
    parser.add_argument("pieces", nargs="+", type=Path, metavar="PIECE", help=".mp4 or .mov files, in any order")
    parser.add_argument("--source", type=Path, required=True, metavar="CLIP", help="the clip they were made of")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the joined clip")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst join") -> int:
    """Run the command; raises `FastNSTError` for what cannot be joined."""
    from fastnst.runtime.video.join import join_clips

    options = build_parser(prog).parse_args(argv)
    notes = join_clips(options.pieces, options.source, options.output, overwrite=options.overwrite)
    for note in notes:
        print_message(note)
    count = len(options.pieces)
    print_result(f"{options.output}: joined of {count} {'piece' if count == 1 else 'pieces'}\n")
    return 0
