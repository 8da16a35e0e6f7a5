"""Write a style's card from the model file's own description and, if there is one, its comparison report.

python scripts/card.py weights/starry_night.onnx [--report report/report.json] [--notes "how it was trained"]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fastnst.images import write_atomically
from fastnst.runtime import StyleMetadata, StyleModel


def card(metadata: StyleMetadata, model: Path, report: dict[str, Any] | None, notes: str) -> str:
    """The card's Markdown."""
    weights = metadata.loss_weights
    lines = [
        f"# {metadata.name}",
        "",
        f"Painting: *{metadata.title}*, {metadata.artist}, {metadata.year} ({metadata.movement}; {metadata.licence}).",
        "",
        f"    python infer.py photo.jpg --style {metadata.name} -o out.jpg",
        "",
        "| | |",
        "|---|---|",
        f"| file | {model.stat().st_size / 1e6:.2f} MB, {metadata.precision} |",
        f"| network | {metadata.network} {_pairs(metadata.network_options)} |",
        f"| judge | {metadata.perceptual}: content {_list(weights, 'content_layers')},"
        f" style {_list(weights, 'style_layers')} |",
        f"| weights | content {weights.get('content_weight')}, style {weights.get('style_weight')}, total variation"
        f" {weights.get('tv_weight')}, {weights.get('normalization')} terms; painting at"
        f" {weights.get('style_size')} px |",
        f"| training | {metadata.steps} steps of {metadata.batch_size} crops of {metadata.image_size} px |",
        f"| photos | {metadata.data} |",
        f"| held-out objective | {_pairs({name: round(value, 4) for name, value in metadata.objective.items()})} |",
        f"| painting's SHA-256 | `{metadata.painting_sha256}` |",
    ]
    if report:
        equivalent = report["lbfgs_equivalent"]
        shown = f"{equivalent:.0f}" if equivalent is not None else f"more than {report['iterations']}"
        measures = report["measures"]
        lines += [
            f"| N_eq | {shown} iterations of L-BFGS reach the same objective ({report['photos']} held-out photos,"
            f" {report['pixels'][0][0]} px) |",
            f"| time | {report['time_ratio']:.0f} times faster than {report['iterations']} iterations |",
            f"| grid energy | {measures['network']['grid']:.2f} (photos {measures['photo']['grid']:.2f}) |",
            f"| border energy | {measures['network']['border']:.2f} (photos {measures['photo']['border']:.2f}) |",
        ]
    return "\n".join([*lines, "", notes, ""]) if notes else "\n".join([*lines, ""])


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _list(weights: dict[str, Any], key: str) -> str:
    return ", ".join(weights.get(key, []))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--notes", default="")
    options = parser.parse_args()
    report = json.loads(options.report.read_text()) if options.report else None
    text = card(StyleModel(options.model, "cpu").metadata, options.model, report, options.notes)
    with write_atomically(options.model.with_suffix(".md"), overwrite=True) as partial:
        partial.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
