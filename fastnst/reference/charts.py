"""The frontier as inline SVG: objective against seconds, both logarithmic, with the values at the points."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_WIDTH, _HEIGHT = 1000, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 250, 16, 52
_MARKED_EVALUATIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # evaluations with a point
_LABEL_HEIGHT = 17

WAYS = {
    "network": "network alone",
    "refined": "network + L-BFGS",
    "photo": "L-BFGS from the photo",
    "noise": "L-BFGS from noise",
    "adam": "Adam from the photo",
    "strong_wolfe": "PyTorch L-BFGS, strong Wolfe",
}


def frontier(network: tuple[float, float], curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """The chart.

    Args:
        network: seconds and objective of the network alone.
        curves: `{way: {"seconds": […], "objective": […]}}`, one value an evaluation.
    """
    seconds = [network[0], *(value for curve in curves.values() for value in curve["seconds"])]
    totals = [network[1], *(value for curve in curves.values() for value in curve["objective"])]
    x, y = _Axis(seconds, _LEFT, _WIDTH - _RIGHT), _Axis(totals, _HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(x, y), *(_curve(way, curve, x, y) for way, curve in curves.items())]
    said = f"network alone: {_number(network[1])} after {time_in_words(network[0])}"
    parts.append(_point("network", x(network[0]), y(network[1]), said, radius=7))
    ends = {way: (x(curve["seconds"][-1]), y(curve["objective"][-1])) for way, curve in curves.items()}
    parts += _labels({"network": (x(network[0]), y(network[1])), **ends})
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="objective against seconds, for {html.escape(", ".join(WAYS[way] for way in curves))}">'
        f"{''.join(parts)}</svg>"
    )


def legend(ways: Iterable[str]) -> str:
    """The ways' names by their colours, for screens so narrow that the chart scrolls."""
    names = (f'<span style="color:var(--{way})">● {html.escape(WAYS[way])}</span>' for way in ("network", *ways))
    return f'<p class="legend" aria-hidden="true">{" ".join(names)}</p>'


def time_in_words(seconds: float) -> str:
    """`3.2 ms`, `1.5 s`, `12 min`."""
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


class _Axis:
    """A logarithmic axis between two pixel positions."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        positive = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
        low, high = math.log10(min(positive)), math.log10(max(positive))
        margin = 0.04 * (high - low) or 0.5
        self.low, self.high = low - margin, high + margin
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        share = (math.log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """1, 2, 5 times powers of ten, fewer of them on a long axis."""
        steps = (1, 2, 5) if self.high - self.low < 2.5 else (1,)
        exponents = range(math.floor(self.low), math.ceil(self.high) + 1)
        values = [step * 10.0**exponent for exponent in exponents for step in steps]
        return [value for value in values if self.low <= math.log10(value) <= self.high]


def _grid(x: _Axis, y: _Axis) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    lines = []
    for value in x.ticks():
        lines.append(f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{_TOP}" y2="{bottom}"/>')
        label = time_in_words(value)
        lines.append(f'<text x="{x(value):.1f}" y="{bottom + 20}" text-anchor="middle">{label}</text>')
    for value in y.ticks():
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    lines.append(f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">time for one photo</text>')
    middle = (_TOP + bottom) / 2
    lines.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">objective</text>')
    return lines


def _curve(way: str, curve: Mapping[str, Sequence[float]], x: _Axis, y: _Axis) -> str:
    pairs = list(zip(curve["seconds"], curve["objective"], strict=True))
    path = " L".join(f"{x(spent):.1f} {y(total):.1f}" for spent, total in pairs)
    points = []
    for number, (spent, total) in enumerate(pairs, start=1):
        if number in _MARKED_EVALUATIONS or number == len(pairs):
            said = f"{WAYS[way]}, {number} evaluations: {_number(total)} after {time_in_words(spent)}"
            points.append(_point(way, x(spent), y(total), said))
    return f'<path d="M{path}" style="stroke:var(--{way})"/>{"".join(points)}'


def _point(way: str, x: float, y: float, said: str, radius: float = 4) -> str:
    title = html.escape(said)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" style="fill:var(--{way})"><title>{title}</title></circle>'


def _labels(ends: Mapping[str, tuple[float, float]]) -> list[str]:
    """The ways' names at the right, beside the ends of their curves, moved apart where they would touch."""
    lines, below = [], -math.inf
    for way, (_, y) in sorted(ends.items(), key=lambda item: item[1][1]):
        below = max(y + 4, below + _LABEL_HEIGHT)
        lines.append(
            f'<text class="label" x="{_WIDTH - _RIGHT + 12}" y="{below:.1f}" style="fill:var(--{way})">'
            f"{html.escape(WAYS[way])}</text>"
        )
    return lines


def _number(value: Any) -> str:
    return f"{value:.3g}"
