"""Write a matting model's card from its own description and the reports of benchmarks/matting.py.

python scripts/matting_card.py weights/matting/small.onnx --reports a/matting.json b/matting.json --notes "…"
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fastnst.errors import ModelError
from fastnst.output_files import write_atomically
from fastnst.runtime.models.metadata import MattingMetadata
from fastnst.runtime.portrait.matting_model import MattingModel

_COLUMNS = {"mse": "MSE", "mad": "MAD", "gradient": "gradient error", "iou": "IoU", "coverage": "coverage"}
_VIEWS = {"whole": "whole", "upper": "upper bodies", "sideways": "turned by a quarter"}


def card(metadata: MattingMetadata, model: Path, reports: list[dict[str, Any]], notes: str) -> str:
    """The card's Markdown."""
    options = ", ".join(f"{name} {value}" for name, value in metadata.network_options.items())
    lines = [
        f"# {metadata.name}: finds people",
        "",
        "    fastnst matte photo.jpg -o alpha.png",
        "",
        "| | |",
        "|---|---|",
        f"| file | {model.stat().st_size / 1e6:.2f} MB, weights in {metadata.precision} |",
        f"| network | MODNet (Ke et al. 2022), {options} |",
        f"| works at | a short side of {metadata.reference_size} px |",
        f"| training | {metadata.steps} steps of {metadata.batch_size} samples of {metadata.image_size} px |",
        f"| learned from | {metadata.data or 'not said'} |",
        f"| licence | {metadata.licence or 'not said'} |",
        "",
    ]
    for report in reports:
        for view in report["views"]:
            lines += [*_table(view), ""]
        if nobody := report.get("nobody"):
            counts = ", ".join(f"{name} finds somebody in {count}" for name, count in nobody["found"].items())
            lines += [f"Of {nobody['photos']} held-out photos without people {counts}.", ""]
    return "\n".join([*lines, notes, ""]) if notes else "\n".join(lines)


def _table(view: dict[str, Any]) -> list[str]:
    """The rows of one view of the portraits."""
    shown = _VIEWS.get(view["view"], f"squares of {view['view']} times the head")
    rows = [
        f"| {name} | {' | '.join(f'{values[column]:.4g}' for column in _COLUMNS)} |"
        for name, values in view["models"].items()
    ]
    return [
        f"| {view['portraits']} held-out portraits, {shown} | {' | '.join(_COLUMNS.values())} |",
        "|---|" + "---|" * len(_COLUMNS),
        *rows,
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--reports", type=Path, nargs="*", default=[])
    parser.add_argument("--notes", default="")
    options = parser.parse_args()
    metadata = MattingModel(options.model, "cpu").metadata
    if metadata is None:
        raise ModelError(f"{options.model} carries no description.")
    text = card(metadata, options.model, [json.loads(path.read_text()) for path in options.reports], options.notes)
    with write_atomically(options.model.with_suffix(".md"), overwrite=True) as partial:
        partial.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
