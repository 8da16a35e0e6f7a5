"""The comparison as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from fastnst.metrics.equivalent_iterations import equivalents_in_words
from fastnst.reference.compare import Compared

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
.row { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: .5rem; margin: 1rem 0; }
figure { margin: 0; } img { width: 100%; display: block; } figcaption { font-size: .8rem; color: #555; }
.figure { font-size: 2rem; font-weight: 600; } .figures { display: flex; gap: 3rem; margin: 1.5rem 0; }
"""
_MEASURES = {
    "ssim": "SSIM to the photo",
    "grid": "grid energy (1 is none)",
    "border": "border energy (about 1 is none)",
    "saturated": "share of saturated pixels",
    "blobs": "share of saturated areas where the photo has none",
    "second_content": "content distance, second perceptual network",
    "second_style": "Gram distance, second perceptual network",
}


def write_html(title: str, summary: dict[str, Any], compared: Sequence[Compared], painting: Image.Image) -> str:
    """The page: the figures that decide, the curve, the measures, and every photo side by side."""
    second = summary.get("second_perceptual") or "not measured"
    equivalents = equivalents_in_words(summary)
    starts = " and from ".join(equivalents)
    caption = "L-BFGS iterations from {} reach the network's objective (N<sub>eq</sub>)"
    return f"""<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>
<h1>{html.escape(title)}</h1>
<p>The trained network against per-image optimization (L-BFGS from {starts}) on the objective that it was trained
on, over {summary["photos"]} held-out photos of about {summary["pixels"][0][0]}×{summary["pixels"][0][1]} pixels.</p>
<div class="figures">
{"".join(_figure(shown, caption.format(start)) for start, shown in equivalents.items())}
{_figure(f"{summary['time_ratio']:,.0f}×", f"faster than {summary['iterations']} iterations")}
{_figure(f"{summary['network_objective']['total']:.3f}", "objective of the network, mean")}
</div>
{_objective_table(summary)}
<h2>The curve</h2>{_curve(summary)}
<h2>Measures</h2>{_measure_table(summary["measures"])}<p>Second perceptual network: {html.escape(second)}.</p>
<h2>Pictures</h2>
{"".join(_row(one, painting) for one in compared)}
"""


def _figure(value: str, caption: str) -> str:
    return f'<div><div class="figure">{value}</div>{caption}</div>'


def _objective_table(summary: dict[str, Any]) -> str:
    rows = [("photo itself", summary["photo_objective"]), ("network", summary["network_objective"]["total"])]
    rows += [(f"L-BFGS, {step} iterations", total) for step, total in summary["lbfgs_objective"].items()]
    body = "".join(f"<tr><td>{name}<td>{value:.4f}" for name, value in rows)
    times = f"network {summary['network_seconds'] * 1e3:.1f} ms, L-BFGS {summary['lbfgs_seconds']:.1f} s a picture"
    return f"<table><tr><th>picture<th>objective{body}</table><p>Time: {times}.</p>"


def _measure_table(measures: dict[str, dict[str, float]]) -> str:
    head = "".join(f"<th>{label}" for label in measures)
    known = next(iter(measures.values()))
    rows = "".join(
        f"<tr><td>{_MEASURES[key]}" + "".join(f"<td>{values[key]:.4f}" for values in measures.values()) for key in known
    )
    return f"<table><tr><th>measure{head}{rows}</table>"


def _curve(summary: dict[str, Any]) -> str:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(9, 4), layout="constrained")
    first, *_ = equivalents_in_words(summary)
    axis.semilogy(range(1, len(summary["curve"]) + 1), summary["curve"], label=f"L-BFGS from {first}")
    if "noise_curve" in summary:
        axis.semilogy(range(1, len(summary["noise_curve"]) + 1), summary["noise_curve"], label="L-BFGS from noise")
    axis.axhline(summary["network_objective"]["total"], color="tab:red", linestyle="--", label="network")
    axis.set(xlabel="iteration", ylabel="mean objective")
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    pyplot.close(figure)
    return f'<img src="data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}" alt="objective">'


def _row(one: Compared, painting: Image.Image) -> str:
    pictures = [(one.photo, one.name), (painting, "painting")]
    pictures.append((one.network, f"network: {one.network_terms['total']:.3f}"))
    for step, picture in sorted(one.optimized.items()):
        pictures.append((picture, f"L-BFGS {step}: {one.curve[step - 1]:.3f}"))
    figures = "".join(
        f'<figure><img src="{_data_url(picture)}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'
        for picture, caption in pictures
    )
    return f'<div class="row">{figures}</div>'


def _data_url(picture: Image.Image) -> str:
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
