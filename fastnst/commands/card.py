"""`fastnst card MODEL`: a style's card, from what its file says of itself and what `fastnst compare` measured."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from PIL import Image

from fastnst.commands.options.parser import Parser
from fastnst.contact_sheet import contact_sheet
from fastnst.errors import ConfigError
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.input_files import read_text
from fastnst.metrics.comparison_report import ComparisonReport, read_report
from fastnst.metrics.equivalent_iterations import equivalents_in_words
from fastnst.output_files import check_output, write_atomically
from fastnst.printable import printable
from fastnst.runtime import StyleMetadata, Stylizer, resolve_style
from fastnst.standard_streams import print_result
from fastnst.start.shipped import STARTS

_CELL_SIZE = 320  # pixels, of a picture in the strip
_PHOTO_SIZE = 640  # what the strip's photo is restyled at: the strokes as they look when it is shown small
_MAX_ROW_CHARACTERS = 2_000  # characters of one row
_SHA = "painting's SHA-256"
_PADDED = {"replicate": ", borders replicated"}
_WEIGHT = "_weight"
_FORMER_WEIGHTS = {"weave_weight": "periodicity_weight", "temporal": "temporal_weight"}  # keys of version 0.2
_TERM_LABELS = {"tv": "total variation", "temporal": "temporal consistency"}
_ALWAYS_SHOWN = ("content", "style", "tv")


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Write a style's card, and a strip of pictures beside it.")
    parser.add_argument("model", metavar="MODEL", help="name of a style, or a style model file (.onnx)")
    parser.add_argument("--report", type=Path, metavar="JSON", help="the report.json of fastnst compare")
    parser.add_argument("--photo", type=Path, metavar="FILE", help="for the strip: your own or in the public domain")
    parser.add_argument("--painting", type=Path, metavar="FILE", help="for the strip: what the style was trained on")
    parser.add_argument("--notes", type=Path, metavar="FILE", help="text to close the card with (Markdown)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: beside the model, as .md")
    parser.add_argument("--provider", default="auto", help="what restyles the photo; as for stylize")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def main(argv: list[str], prog: str = "fastnst card") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    options = build_parser(prog).parse_args(argv)
    if (options.photo is None) != (options.painting is None):
        raise ConfigError("a strip needs both --photo and --painting.")
    model = resolve_style(options.model)
    output: Path = options.output or model.with_suffix(".md")
    if output.suffix.lower() != ".md":
        raise ConfigError(f"{output} is no Markdown file: name it .md.")
    strip = output.with_suffix(".jpg") if options.photo else None
    files = (model, options.photo, options.painting, options.report, options.notes)
    inputs = {path.resolve() for path in files if path}
    for path in (output, strip):
        if path is not None:
            if path.resolve() in inputs:
                raise ConfigError(f"{path} is an input of this card: name another output with -o.")
            check_output(path, overwrite=options.overwrite)
    stylizer = Stylizer(model, options.provider)
    metadata = stylizer.metadata
    report = read_report(options.report, metadata.name) if options.report else None
    notes = read_text(options.notes, "note") if options.notes else ""
    if strip is not None:
        photo = open_image(options.photo, max_size=_PHOTO_SIZE)
        cells: list[tuple[Image.Image | None, str]] = [
            (photo, "photo"),
            (open_image(options.painting, max_size=_PHOTO_SIZE), metadata.title or "painting"),
            (stylizer(photo), metadata.name),
        ]
        save_image(contact_sheet([cells], cell=_CELL_SIZE), strip, overwrite=options.overwrite, quality=90)
    with write_atomically(output, overwrite=options.overwrite) as partial:
        text = card(metadata, model.stat().st_size, report, notes, strip.name if strip else None)
        partial.write_text(text, encoding="utf-8")
    written = f"{output}{f' and {strip.name}' if strip else ''}: the card of {metadata.name}"
    print_result(f"{printable(written)}\n")
    return 0


def card(
    metadata: StyleMetadata,
    size: int,
    report: ComparisonReport | None = None,
    notes: str = "",
    strip: str | None = None,
    *,
    spec: str | None = None,
) -> str:
    """The card's Markdown.

    Args:
        metadata: what the model file says of itself.
        size: of the model file in bytes.
        report: what `read_report` gives, or None.
        notes: text to close with.
        strip: the strip's file name beside the card, or None.
        spec: what users pass to --style; None takes the style's name.
    """
    rows = {**_described(metadata, size), **(_measured(report) if report else {})}
    picture = ["", f"![a photo, the painting, and the photo restyled]({strip})"] if strip else []
    return "\n".join(
        [
            f"# {_markdown(metadata.name)}",
            "",
            _painting(metadata),
            *picture,
            "",
            f"    fastnst stylize photo.jpg --style {printable(spec or metadata.name)} -o out.jpg",
            "",
            "| | |",
            "|---|---|",
            *(f"| {label} | {text} |" for label, text in rows.items()),
            *(["", notes.strip()] if notes.strip() else []),
            "",
        ]
    )


def _painting(metadata: StyleMetadata) -> str:
    """One line that says whose painting it is."""
    title = f"*{_markdown(metadata.title) or 'untitled'}*"
    work = ", ".join([title, *(_markdown(text) for text in (metadata.artist, metadata.year) if text)])
    rest = "; ".join(_markdown(text) for text in (metadata.movement, metadata.licence) if text)
    return f"Painting: {work} ({rest})." if rest else f"Painting: {work}."


def _described(metadata: StyleMetadata, size: int) -> dict[str, str]:
    """The statements of the model file, by label."""
    weights = metadata.loss_weights
    by_mattes = _matte_weights(weights.get("mattes"))
    layers = {kind: ", ".join(weights.get(f"{kind}_layers", [])) for kind in ("content", "style")}
    rows = {
        "file": f"{size / 1e6:.2f} MB, {metadata.precision}",
        "network": f"{metadata.network} {_pairs(metadata.network_options)}",
        "perceptual network": f"{metadata.perceptual}{_PADDED.get(weights.get('padding', ''), '')}:"
        f" content {layers['content']}, style {layers['style']}",
        "weights": f"{_term_weights(weights)}, {weights.get('normalization')} terms; painting at"
        f" {weights.get('style_size')} px{_trimmed(weights.get('style_trim', 0))}",
        "weights by mattes": by_mattes,
        "training": _training(metadata),
        "time and hardware": f"{_duration(metadata.training_seconds)} on {metadata.hardware}",
        "photos": metadata.data,
        "held-out objective": _pairs({name: round(value, 4) for name, value in metadata.objective.items()}),
        _SHA: metadata.painting_sha256 if metadata.painting_sha256.isalnum() else "",
        "licence of the weights": metadata.weights_licence,
        "made by": f"fastnst {metadata.fastnst_version}",
    }
    unknown = {
        "weights by mattes": not by_mattes,
        "time and hardware": not metadata.hardware,  # a file of version 0.1
        "photos": not metadata.data,
        "held-out objective": not metadata.objective,
        "licence of the weights": not metadata.weights_licence,
    }
    known = {label: _markdown(text) for label, text in rows.items() if not unknown.get(label)}
    return known | {_SHA: f"`{rows[_SHA]}`"}


def _markdown(text: str) -> str:
    """Text of a file as Markdown that shows it: no links, tables, pictures or HTML of its own; cut if it is long."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", printable(text, _MAX_ROW_CHARACTERS)).replace("<", "&lt;")


def _trimmed(share: float) -> str:
    return f", {100 * share:g} % of its sides left off at each border" if share else ""


def _term_weights(weights: dict[str, Any]) -> str:
    """The weight of each loss term that the training had, whatever terms there are."""
    renamed = {_FORMER_WEIGHTS.get(key, key): value for key, value in weights.items()}
    terms = {key.removesuffix(_WEIGHT): value for key, value in renamed.items() if key.endswith(_WEIGHT)}
    names = [*_ALWAYS_SHOWN, *(name for name, value in terms.items() if value and name not in _ALWAYS_SHOWN)]
    return ", ".join(f"{_TERM_LABELS.get(name, name.replace('_', ' '))} {terms.get(name)}" for name in names)


def _matte_weights(mattes: object) -> str:
    """By what the training multiplied terms inside people and outside of them, where that is not 1."""
    factors = mattes if isinstance(mattes, dict) else {}
    changed = {str(key).replace("_", " "): factor for key, factor in factors.items() if factor != 1}
    return ", ".join(f"{key} of people × {factor}" for key, factor in changed.items())


def _training(metadata: StyleMetadata) -> str:
    crops = "one crop" if metadata.batch_size == 1 else f"{metadata.batch_size} crops"
    text = f"{metadata.steps} steps of {crops} of {metadata.image_size} px"
    first = metadata.loss_weights.get("warmup_perceptual") or metadata.loss_weights.get("first_judge")
    if first:
        text += f", the first {first['share']:.0%} with {first['name']}"
    if metadata.started_from in STARTS:
        return f"{text}; from the start that ships, which belongs to no painting"
    return f"{text}; grown out of {metadata.started_from}" if metadata.started_from else text


def _measured(report: ComparisonReport) -> dict[str, str]:
    """The measures of the comparison, by label."""
    measures = report["measures"]
    counted = f"({report['photos']} held-out photos, {max(report['pixels'][0])} px)"
    rows = {
        f"N_eq from {start}": f"{shown} iterations of L-BFGS reach the same objective {counted}"
        for start, shown in equivalents_in_words(report).items()
    }
    rows |= {
        "time ratio": f"{report['time_ratio']:.0f} times faster than {report['iterations']} iterations",
    }
    labels = {"grid": "grid energy", "border": "border energy", "blobs": "saturated blobs", "ssim": "SSIM to the photo"}
    for key, label in labels.items():
        network, photo = measures["network"].get(key), measures["photo"].get(key)
        if network is not None:
            theirs = "" if key == "ssim" or photo is None else f" (photos {photo:.2f})"
            rows[label] = f"{network:.2f}{theirs}"
    return rows


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
