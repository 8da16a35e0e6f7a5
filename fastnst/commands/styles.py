"""`fastnst styles`: what can be passed to --style, as a list and as a sheet of pictures."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from fastnst.commands.options.parser import Parser
from fastnst.contact_sheet import Cell, contact_sheet, in_rows
from fastnst.errors import ConfigError, OutputError
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.images.formats import SUFFIXES
from fastnst.output_files import check_output, write_atomically
from fastnst.printable import printable
from fastnst.progress import track
from fastnst.runtime.models.catalog import available_styles, described_styles, styles_of
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.stylizer import Stylizer
from fastnst.sample import sample_photo
from fastnst.standard_streams import print_result

if TYPE_CHECKING:
    from fastnst.sharing.index import IndexedStyle

_SHEET_PICTURE_SIZE = 480  # pixels: side of a picture on the sheet
_MAX_CELL_CHARACTERS = 60  # characters of a cell
_HEADINGS = ("STYLE", "PAINTING", "ARTIST", "YEAR", "MOVEMENT")


def main(argv: list[str], prog: str = "fastnst styles") -> int:
    """Print one line a style; raises `ConfigError` if none is installed, or none is what was asked for."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    options = _build_parser(prog).parse_args(argv)
    _check(options)
    if options.index is not None:
        from fastnst.sharing.index import read_index

        print_result(_table({style.name: style for style in read_index(options.index)}))
        return 0
    styles = described_styles()
    among = "no style"
    for field in ("movement", "artist"):
        wanted = getattr(options, field)
        if wanted is not None:
            styles = styles_of(field, wanted, styles, among)
            among = f"no style of the {field} '{wanted}'"
    print_result(_table(styles))
    if options.json:
        described = [asdict(metadata) | {"style": name} for name, metadata in styles.items()]
        with write_atomically(options.json, overwrite=options.overwrite) as partial:
            partial.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.publish:
        from fastnst.sharing.index import INDEX_FILE, write_index

        installed = available_styles()
        shown = {name: installed[name] for name in styles}
        indexed = write_index(shown, options.photo or sample_photo(), options.publish, overwrite=options.overwrite)
        print_result(f"{options.publish / INDEX_FILE}: {len(indexed)} styles for a static host\n")
    if options.sheet:
        save_image(_sheet(list(styles), options), options.sheet, overwrite=options.overwrite)
        print_result(
            f"{printable(options.sheet)}: {'this style' if len(styles) == 1 else 'all of them'} on one photo\n"
        )
    return 0


def _build_parser(prog: str) -> argparse.ArgumentParser:
    parser = Parser(prog=prog, description="List the styles that are installed.")
    parser.add_argument("--movement", metavar="M", help="only those of this movement, or of one whose name contains it")
    parser.add_argument("--artist", metavar="A", help="only those of this artist, or of one whose name contains it")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also show a photo in each of them on one sheet")
    parser.add_argument("--photo", type=Path, metavar="FILE", help="the photo of the sheet (default: a portrait)")
    parser.add_argument("--provider", default="auto", help="for the sheet: auto, cpu, openvino, cuda or tensorrt")
    parser.add_argument("--threads", type=int, help="for the sheet: CPU threads (default: all that may be used)")
    parser.add_argument("--from", dest="index", metavar="URL", help="list an index of styles (see fastnst pull)")
    parser.add_argument("--publish", type=Path, metavar="DIR", help="write an index of these styles for a static host")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the full descriptions here")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def _check(options: argparse.Namespace) -> None:
    if options.photo and not (options.sheet or options.publish):
        raise ConfigError(f"--photo {options.photo} is for a sheet: add --sheet FILE.")
    if options.sheet and options.sheet.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{options.sheet} has no picture suffix that can be written: use {', '.join(SUFFIXES)}.")
    for output in (options.sheet, options.json):
        if output:
            check_output(output, overwrite=options.overwrite)


def _table(styles: Mapping[str, StyleMetadata | IndexedStyle]) -> str:
    rows = [
        (name, metadata.title, metadata.artist, metadata.year, metadata.movement) for name, metadata in styles.items()
    ]
    cells = [_HEADINGS, *([printable(text, _MAX_CELL_CHARACTERS) or "-" for text in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "".join(f"{line}\n" for line in lines)


def _sheet(names: list[str], options: argparse.Namespace) -> Image.Image:
    """The photo and, beside it, what each style makes of it, with the styles' names below."""
    photo = open_image(options.photo or sample_photo(), max_size=_SHEET_PICTURE_SIZE)
    installed = available_styles()
    cells: list[Cell] = [(photo, "the photo")]
    for name in track(names, "restyling"):
        # One at a time: many open models would fill the memory.
        cells.append((Stylizer(installed[name], options.provider, options.threads)(photo), name))
    return contact_sheet(in_rows(cells), cell=_SHEET_PICTURE_SIZE)
