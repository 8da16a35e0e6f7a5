"""The comparison as one self-contained HTML page: figures, the frontier, the measures, and every photo."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from PIL import Image

from fastnst.metrics.equivalent_iterations import equivalents_in_words, strong_wolfe_in_words
from fastnst.reference.charts import WAYS, frontier, legend, time_in_words
from fastnst.reference.compare import Compared

# Of each measure: its name, whether lower (-1) or higher (1) is better (0: neither), and what it means.
_MEASURES = {
    "ssim": ("SSIM to the photo", 0, "structure kept, 1 is the photo itself; a strong style keeps less"),
    "lpips": ("LPIPS to the photo", 0, "perceptual distance (Zhang et al. 2018); 0 is the photo itself"),
    "cfsd": ("CFSD", -1, "changed self-similarity of the photo's parts (Chung et al. 2024); lower keeps more content"),
    "second_content": ("content distance", -1, "relative, by the second network; lower keeps more content"),
    "second_style": ("Gram distance", -1, "relative, by the second network; lower is closer to the painting"),
    "swd": ("sliced Wasserstein", -1, "distance to the painting's features; lower is closer to the painting"),
    "grid": ("grid energy", -1, "what repeats with the network's stride; compare with the photo's own"),
    "border": ("border energy", -1, "a frame along the border; compare with the photo's own"),
    "saturated": ("saturated share", -1, "pixels at pure black or white"),
    "blobs": ("saturated blobs", -1, "share of clipped areas where the photo has none"),
}
_LABELS = {"photo": "photo", "network": "network", "refined": "refined", "optimization": "optimized"}
_PRECISIONS = {"f32": "float32", "tf32": "float32 with factors of TF32", "bf16": "bfloat16"}
_JPEG_QUALITY = 90


def write_html(title: str, summary: dict[str, Any], compared: Sequence[Compared], painting: Image.Image) -> str:
    """The page. It needs no network and no other file, works from file://, prints, and follows the dark mode.

    Args:
        title: of the page.
        summary: of `compare.summarize`, with `second_perceptual` and, for several sizes, `at_sizes`.
        compared: the photos.
        painting: what the style was trained on.
    """
    script = _asset("report.js")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{_asset("page.css")}</style></head><body>
<h1>{html.escape(title)}</h1>
<p>A trained network beside per-image optimization of the same objective, on
{_photos(summary["photos"], "held-out ")} of {summary["pixels"][0][0]}×{summary["pixels"][0][1]} pixels and the like.
The objective says how far a picture is from
the photo's content and the painting's style; lower is better.</p>
<div class="figures">{_figures(summary)}</div>
<h2>Photos</h2>
<p class="dim drag">Drag across a picture: the photo at the left, the restyled one at the right.</p>
<div class="photos"><figure class="painting"><img src="{data_url(painting)}" alt="the painting">
<figcaption>the painting</figcaption></figure>{"".join(_photo(one) for one in compared)}</div>
<h2>Time and objective</h2>
<p class="dim">Each curve is the mean over the photos of the lowest objective so far; a point for 1, 2, 5, 10 …
evaluations of it. Point at one for its values. What came from the cache has the time that it took when it was made.</p>
{legend(summary["frontier"])}
<div class="scroll">
{frontier((summary["network_seconds"], summary["network_objective"]["total"]), summary["frontier"])}</div>
<div class="scroll">{_frontier_table(summary)}</div>
<h2>Measures</h2>
<p>{_second(summary)}</p>
<div class="scroll">{_measure_table(summary["measures"], _meanings(summary))}</div>
<h2>How N<sub>eq</sub> was counted</h2>
{_counting(summary)}
<dialog aria-label="at 100 %"><button type="button" class="close">close</button>
<div class="full"><img class="restyled" alt=""><img class="original" alt="photo"></div></dialog>
<div id="hover" hidden></div>
<script>{script}</script></body></html>
"""


def data_url(picture: Image.Image) -> str:
    """A picture inside the page, as JPEG."""
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"


def _asset(name: str) -> str:
    return (files("fastnst.reference") / "assets" / name).read_text(encoding="utf-8")


def _figures(summary: dict[str, Any]) -> str:
    caption = (
        "iterations of L-BFGS from {} reach the network's objective: N<sub>eq</sub>, median and quartiles over photos"
    )
    rows = [(count, caption.format(start)) for start, count in equivalents_in_words(summary).items()]
    rows.append((f"{summary['time_ratio']:,.0f}×", f"faster than {_count(summary['iterations'], 'iteration')}"))
    rows.append((time_in_words(summary["network_seconds"]), f"for one photo{_on(summary, 'network_device')}"))
    rows.append((f"{summary['network_objective']['total']:.3f}", "objective of the network, mean"))
    return "".join(f"<div><b>{_large(shown)}</b>{caption}</div>" for shown, caption in rows)


def _photos(count: int, kind: str = "") -> str:
    return _count(count, f"{kind}photo")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _on(summary: Mapping[str, Any], key: str) -> str:
    return f" ({html.escape(summary[key])})" if key in summary else ""


def _large(shown: str) -> str:
    """A figure; its spread, in brackets, smaller below it."""
    figure, bracket, spread = shown.partition(" (")
    return html.escape(figure) + (f"<small>{html.escape(spread.rstrip(')'))}</small>" if bracket else "")


def _frontier_table(summary: dict[str, Any]) -> str:
    last = summary["iterations"]
    marks = [*(step for step in (5, 10, 20, 40, 100, 200, 500) if step < last), last]
    head = "".join(f"<th>{step}" for step in marks)
    network = f"{summary['network_objective']['total']:.3f}"
    photo = f"{summary['photo_objective']:.3f}"
    rows = [f"<tr><td>{WAYS['network']} (the photo itself: {photo})<td>{network}" + "<td>" * len(marks)]
    for way, curve in summary["frontier"].items():
        cells = "".join(f"<td>{_mean_and_quartiles(curve, step - 1)}" for step in marks)
        rows.append(f"<tr><td>{WAYS[way]}<td>{cells}")
    spread = "<small>mean; quartiles over photos</small>" if summary["photos"] > 1 else ""
    return f"<table><thead><tr><th>objective after evaluations{spread}<th>0{head}</thead>{''.join(rows)}</table>"


def _mean_and_quartiles(curve: Mapping[str, Sequence[float]], index: int) -> str:
    """Nothing beyond a curve's end, and no spread where the photos do not differ."""
    if index >= len(curve["objective"]):
        return ""
    mean, lower, upper = (curve[key][index] for key in ("objective", "lower_quartile", "upper_quartile"))
    return f"{mean:.3f}" + (f"<small>{lower:.2f} to {upper:.2f}</small>" if lower < upper else "")


def _counting(summary: dict[str, Any]) -> str:
    lbfgs = summary["lbfgs"]
    text = (
        f"<p>Photo by photo: the iteration at which the lowest objective so far equals the network's, between two of"
        f" them linearly. One iteration is one evaluation of the objective and its gradient, refused steps included."
        f" L-BFGS remembers {lbfgs['history']} steps, begins with one of {lbfgs['first_step']:g} (root mean square over"
        f" pixels in [0, 1]) and clips the picture to [0, 1] at every step, which a network cannot leave either."
        f"{_computed(summary)}</p>"
    )
    sizes = summary.get("at_sizes", [])
    if not sizes:
        return text
    checked = "strong_wolfe_equivalent" in summary
    rows = []
    for size in sizes:
        counts = [*equivalents_in_words(size).values(), *([strong_wolfe_in_words(size)] if checked else [])]
        cells = "".join(f"<td>{html.escape(count)}" for count in counts)
        rows.append(f"<tr><td>{size['size']} px, {_photos(size['photos'])}{cells}")
    heads = [*(f"from {start}" for start in equivalents_in_words(summary)), *(["by PyTorch, strong Wolfe"] * checked)]
    head = "".join(f"<th>{one}" for one in heads)
    caption = "<th>N<sub>eq</sub>: median (quartiles)"
    return f'{text}<div class="scroll"><table><thead><tr>{caption}{head}</thead>{"".join(rows)}</table></div>'


def _computed(summary: Mapping[str, Any]) -> str:
    """Where the descents ran, in which precision."""
    if "precision" not in summary:
        return ""
    return f" Computed in {_PRECISIONS[summary['precision']]}{_on(summary, 'optimization_device')}."


def _second(summary: dict[str, Any]) -> str:
    name = summary.get("second_perceptual")
    if not name:
        return "No second perceptual network was asked."
    note = summary.get("second_note")
    return (
        f"CFSD, LPIPS, and the distances are by <b>{html.escape(name)}</b>, a perceptual network that the training did"
        f" not use{html.escape(f' ({note})') if note else ''}. The best of"
        " those made is bold; the photo's own is for comparison."
    )


def _meanings(summary: dict[str, Any]) -> dict[str, tuple[str, int, str]]:
    """The known measures, and those of pyiqa that were asked for."""
    further = {}
    for name, described in summary.get("iqa", {}).items():
        about = "to the photo" if described["to_photo"] else "of the picture alone"
        further[f"iqa_{name}"] = (html.escape(name), described["better"], f"{about}, by pyiqa")
    return _MEASURES | further


def _measure_table(measures: dict[str, dict[str, float]], known: Mapping[str, tuple[str, int, str]]) -> str:
    labels = [label for label in _LABELS if label in measures]
    head = "".join(f"<th>{_LABELS[label]}" for label in labels)
    rows = []
    for key, (name, better, meaning) in known.items():
        if key not in measures["network"]:
            continue
        values = {label: measures[label][key] for label in labels}
        made = {label: value for label, value in values.items() if label != "photo"}
        differ = len({f"{value:.4g}" for value in made.values()}) > 1
        best = (min if better < 0 else max)(made.values()) if better and differ else None
        cells = "".join(
            f"<td{' class=best' if label in made and value == best else ''}>{value:.4g}"
            for label, value in values.items()
        )
        way = {-1: "↓ ", 0: "", 1: "↑ "}[better]
        rows.append(f"<tr><td>{way}{name}{cells}<td class=dim>{meaning}")
    return f"<table><thead><tr><th>measure{head}<th></thead>{''.join(rows)}</table>"


def _photo(one: Compared) -> str:
    pictures = {"network": (one.network, one.network_terms["total"])}
    for way in ("refined", "photo", "noise"):
        if way in one.curves:
            pictures[way] = (one.curves[way].best, one.curves[way].totals[-1])
    name = html.escape(one.name)
    buttons, hidden = [], [_labelled(one.photo, "original", "the photo")]
    for way, (picture, total) in pictures.items():
        caption = html.escape(f"{one.name}: {WAYS[way]}, objective {total:.3f}, {_evaluations(one, way)}")
        pressed = "true" if way == "network" else "false"
        buttons.append(
            f'<button type="button" data-source="{way}" data-caption="{caption}" aria-pressed="{pressed}">'
            f"{html.escape(WAYS[way])}</button>"
        )
        hidden.append(_labelled(picture, way, WAYS[way]))
    first = f"{one.name}: {WAYS['network']}, objective {one.network_terms['total']:.3f}, {_evaluations(one, 'network')}"
    return (
        f'<figure data-photo="{name}">'
        f'<div class="pair"><img class="before" alt="photo"><img class="after" alt="{WAYS["network"]}">'
        f'<input type="range" min="0" max="100" value="50" aria-label="how much of the photo shows">'
        f'<button type="button" class="zoom">100 %</button></div>'
        f'<div class="choose">{"".join(buttons)}</div>'
        f'<div class="all">{"".join(hidden)}</div>'
        f'<figcaption class="caption">{html.escape(first)}</figcaption></figure>'
    )


def _labelled(picture: Image.Image, way: str, label: str) -> str:
    name = html.escape(label)
    return f'<span><img src="{data_url(picture)}" data-way="{way}" alt="{name}"><small>{name}</small></span>'


def _evaluations(one: Compared, way: str) -> str:
    """How many evaluations a picture took; of the network's, in how many iterations it is reached."""
    if way != "network":
        return f"{len(one.curves[way].totals)} evaluations"
    start = next(start for start in ("photo", "noise") if start in one.curves)
    count = one.equivalent(start)
    reached = f"{count:.0f}" if count is not None else f"more than {len(one.curves[start].totals)}"
    return f"reached by {WAYS[start]} in {reached} iterations"
