"""`fastnst web`: the page on this machine, or as files for any web host."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import webbrowser
from pathlib import Path

from fastnst.commands.options.parser import Parser
from fastnst.errors import OutputError
from fastnst.output_folders import write_folder
from fastnst.standard_streams import print_result
from fastnst.web.server import PageServer
from fastnst.web.site import SiteFile, build_site

_PORT = 8484


def main(argv: list[str], prog: str = "fastnst web") -> int:
    """Serve until Ctrl-C, or export; raises `FastNSTError` for what a user can get wrong."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = _build_parser(prog).parse_args(argv)
    site = build_site(options.styles)
    if options.export is not None:
        export_site(site, options.export, overwrite=options.overwrite)
        size = sum(len(file.read()) for file in site.values()) / 1e6
        print_result(f"{options.export}: {len(site)} files, {size:.0f} MB; put them on any https host\n")
        return 0
    with PageServer(site, options.port) as server:
        print_result(f"fastnst is at {server.url} (for this machine only; Ctrl-C ends it)\n")
        sys.stdout.flush()
        if not options.no_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print_result("\n")
    return 0


def _build_parser(prog: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=prog,
        description="Open a page that restyles photos and the camera in the browser; nothing leaves this machine.",
    )
    parser.add_argument("--port", type=int, default=_PORT, help=f"where to serve (default: {_PORT}; 0: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser, only serve")
    parser.add_argument("--styles", type=Path, metavar="DIR", help="offer the style model files (.onnx) in this folder")
    parser.add_argument("--export", type=Path, metavar="DIR", help="write the page as files for a web host instead")
    parser.add_argument("--overwrite", action="store_true", help="with --export: replace existing files")
    return parser


def export_site(site: dict[str, SiteFile], folder: Path, *, overwrite: bool = False) -> None:
    """Write all files of a site below `folder`, which is made if need be.

    Raises `OutputError` if the folder holds anything (without `overwrite`) or cannot be written, `ModelError` for a
    style that is none; then nothing was written.
    """
    if os.path.isdir(folder) and not overwrite and _holds_something(folder):
        raise OutputError(f"--export {folder} is not empty: name another folder, or pass --overwrite.")
    with write_folder(folder, overwrite=overwrite) as place:
        for address, file in site.items():
            path = place / address
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError as error:
        raise OutputError(f"--export {folder} cannot be looked at ({error.strerror}).") from error
