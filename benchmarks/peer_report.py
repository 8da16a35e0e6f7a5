"""What `peers.py` tells: a table, a page in Markdown, and a file of all figures."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import sys
from dataclasses import asdict, dataclass

from fastnst.hardware import default_device, describe_hardware
from fastnst.output_files import write_atomically


@dataclass
class Result:
    """Times in milliseconds; `ratio` in pixels a second to the eager network; objective terms or None."""

    label: str
    style: str
    runs_on: str
    size: str
    median_ms: float
    fps: float
    ratio: float
    runs: int
    objective: dict[str, float] | None = None


def report(
    results: list[Result], overheads: dict[str, float], left_out: dict[str, str], options: argparse.Namespace
) -> None:
    """A table on stdout; with --json everything in a file."""
    sys.stdout.write(table(results))
    for name, share in overheads.items():
        sys.stdout.write(f"overhead of Stylizer over its bare session, {name}: {share:+.1%}\n")
    for path, reason in left_out.items():
        sys.stdout.write(f"not loadable: {path} ({reason})\n")
    if options.markdown:
        with write_atomically(options.markdown, overwrite=options.overwrite) as partial:
            partial.write_text(markdown(results, options, overheads, left_out), encoding="utf-8")
    if not options.json:
        return
    versions = {name: importlib.metadata.version(name) for name in ("torch", "onnxruntime", "numpy")}
    figures = {
        "machine": describe_hardware(default_device()), "date": datetime.date.today().isoformat(),
        "threads": options.threads, "rounds": options.rounds, "versions": versions,
        "results": [asdict(one) for one in results], "stylizer_overhead": overheads, "not_loadable": left_out,
        "perceptual_network": options.perceptual, "photos": options.count, "photo_size": options.photo_size,
    }  # fmt: skip
    with write_atomically(options.json, overwrite=options.overwrite) as partial:
        partial.write_text(json.dumps(figures, indent=2) + "\n")


_FIGURES = {
    "total": "objective", "ssim": "SSIM", "lpips": "LPIPS", "cfsd": "CFSD ↓", "second_content": "content ↓",
    "second_style": "Gram ↓", "swd": "SWD ↓", "grid": "grid", "blobs": "blobs",
}  # fmt: skip


def markdown(
    results: list[Result], options: argparse.Namespace, overheads: dict[str, float], left_out: dict[str, str]
) -> str:
    """Speed and figures as a page: a table in Markdown, with the machine, the date, and what could not be loaded."""
    known = [name for name in _FIGURES if any(name in (one.objective or {}) for one in results)]
    heads = ["what", "style", "runs on", "size", "ms", "times (a)", *(_FIGURES[name] for name in known)]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * 4 + "---:|" * (len(heads) - 4)]
    for one in results:
        figures = one.objective or {}
        cells = [one.label, one.style, one.runs_on, one.size, f"{one.median_ms:.1f}", f"{one.ratio:.1f}"]
        cells += [f"{figures[name]:.3g}" if name in figures else "" for name in known]
        lines.append(f"| {' | '.join(cells)} |")
    machine = describe_hardware(default_device())
    photos = f"{options.count} held-out photo{'s' if options.count > 1 else ''}"
    measured = (
        f"Figures over {photos} of {options.photo_size} px, each model by its own painting; the objective by"
        f" {options.perceptual}, the others by a network that no training used ({options.second})."
    )
    facts = [f"Measured on {datetime.date.today().isoformat()}: {machine}; medians of {options.rounds} turns."]
    notes = [f"- `Stylizer` above its bare session, {name}: {share:+.1%}" for name, share in overheads.items()]
    notes += [f"- not loadable: {path} ({reason})" for path, reason in left_out.items()]
    return "\n".join(["# Beside others", "", *facts, *([measured] if known else []), "", *lines, "", *notes, ""])


def table(results: list[Result]) -> str:
    """The figures in columns."""
    heads = ("what", "style", "runs on", "size", "ms", "fps", "ratio", "content", "style term", "total")
    rows = [heads]
    for one in results:
        terms = one.objective or {}
        shown = (f"{terms[term]:.4f}" if term in terms else "" for term in ("content", "style", "total"))
        rows.append(
            (
                one.label,
                one.style,
                one.runs_on,
                one.size,
                f"{one.median_ms:.1f}",
                f"{one.fps:.1f}",
                f"{one.ratio:.1f}",
                *shown,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = [
        "  ".join(
            f"{cell:<{w}}" if column < 4 else f"{cell:>{w}}"
            for column, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"
