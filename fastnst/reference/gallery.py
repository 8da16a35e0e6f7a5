"""Results of reference runs: pictures, one labelled sheet, the terms as CSV, curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fastnst.contact_sheet import Cell, contact_sheet
from fastnst.images.encode import save_image
from fastnst.output_files import write_atomically
from fastnst.reference.optimize import Optimized


@dataclass(frozen=True)
class Entry:
    """One finished variant: its label, its picture and how it went."""

    label: str
    picture: Image.Image
    run: Optimized


def write_terms(entries: Sequence[Entry], path: Path, *, overwrite: bool) -> None:
    """A CSV with a line for each variant: the terms at its last step, steps, seconds, restarts."""
    with (
        write_atomically(path, overwrite=overwrite) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream,
    ):
        writer = csv.writer(stream)
        names = list(dict.fromkeys(name for entry in entries for name in entry.run.history[0].terms))
        writer.writerow(["variant", *names, "steps", "seconds", "restarts"])
        for entry in entries:
            best = min(entry.run.history, key=lambda step: step.terms["total"])
            last = entry.run.history[-1]
            terms = [f"{best.terms[name]:.6g}" if name in best.terms else "" for name in names]
            writer.writerow([entry.label, *terms, last.number, f"{last.seconds:.2f}", entry.run.restarts])


def write_sheet(
    entries: Sequence[Entry], path: Path, *, before: Sequence[Cell] = (), columns: int = 4, overwrite: bool
) -> None:
    """A labelled sheet: `before` (photo, paintings) in the first row, then the variants."""
    cells: list[Cell] = [(entry.picture, entry.label) for entry in entries]
    rows = [list(before)] if before else []
    rows += [cells[start : start + columns] for start in range(0, len(cells), columns)]
    save_image(contact_sheet(rows), path, overwrite=overwrite)


def curve_table(entries: Sequence[Entry], every: int = 10, last: int = 100) -> str:
    """Style and content loss of each variant at steps 10, 20, … 100, as text."""
    lines = ["step  " + "  ".join(f"{entry.label:>28}" for entry in entries)]
    lines.append("      " + "  ".join(f"{'style':>14}{'content':>14}" for _ in entries))
    for number in range(every, last + 1, every):
        if any(len(entry.run.history) < number for entry in entries):
            break
        terms = [entry.run.history[number - 1].terms for entry in entries]
        lines.append(f"{number:4}  " + "  ".join(f"{one['style']:14.4g}{one['content']:14.4g}" for one in terms))
    return "\n".join(lines)


def draw_curves(entries: Sequence[Entry], path: Path, *, overwrite: bool) -> None:
    """Style and content loss over the steps, logarithmic, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, term in zip(axes, ("style", "content"), strict=True):
        for entry in entries:
            values = [step.terms[term] for step in entry.run.history]
            axis.semilogy(range(1, len(values) + 1), [max(value, 1e-12) for value in values], label=entry.label)
        axis.set(title=f"{term} loss", xlabel="step")
        axis.grid(alpha=0.3)
        if any(entry.label for entry in entries):
            axis.legend()
    with write_atomically(path, overwrite=overwrite) as partial:
        figure.savefig(partial, format="png", dpi=120)
    pyplot.close(figure)
