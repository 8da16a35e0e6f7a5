"""Speed and held-out objective of our styles beside what people run, in one run.

    python benchmarks/peers.py [--styles starry_night] [--size 1280x720] [--peers DIR] [--json FILE] [--markdown FILE]
    python benchmarks/peers.py --peers DIR --photos DIR --paintings starry_night=FILE wave=FILE --johnson FILE

Compared, taking turns, from a decoded frame (uint8) to a restyled one: (a) our own implementation of the published
pytorch/examples network in eager float32 torch, (b) the same network in stock onnxruntime, (c) our styles through
`Stylizer` on the best engine, (d) the same files in stock onnxruntime, (e) trained models of other projects below
--peers DIR. Every one has the same number of threads. A model of one fixed size runs at that; `ratio` compares pixels a
second with (a).

With --photos and --paintings one perceptual network measures the objective of the restyled photos. It says nothing
across paintings, so it is given where the model's own painting is, as NAME=FILE by the model's name. (a) has random
weights, unless --johnson gives a trained `johnson` (.safetensors or .onnx); then --paintings takes `johnson=FILE` too.

`overhead` is the time of `Stylizer` above the bare session run of its engine, alternating, as the median over pairs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from command_line import build_parser
from fastnst.checkpoints import load_network
from fastnst.commands.bench import parse_size, test_picture
from fastnst.errors import ConfigError, FastNSTError
from fastnst.onnx_graph import save_graph
from fastnst.output_files import check_output
from fastnst.runtime import Stylizer, available_styles, resolve_style
from fastnst.runtime.engine.providers import usable_cores
from fastnst.style_export import StyleModelGraph, trace_graph
from peer_files import eager, find_peers, stock_session
from peer_networks import PlainJohnson
from peer_objective import Key, named_files, objectives
from peer_report import Result, report

_JOHNSON = "johnson"
_MIN_TURN_SECONDS = 0.3  # seconds that a fast one's turn lasts at least, ...
_MAX_RUNS_PER_TURN = 20  # ... within this many runs


@dataclass
class Contender:
    """One thing to time: `run` takes and gives uint8 RGB `[H, W, 3]`; `size` is `(height, width)`."""

    label: str
    style: str
    runs_on: str
    run: Callable[[np.ndarray], np.ndarray]
    size: tuple[int, int]
    fixed: bool = False


def main() -> int:
    options = parse()
    try:
        return measure(options)
    except FastNSTError as error:
        sys.stderr.write(f"peers: {error}\n")
        return 2


def parse() -> argparse.Namespace:
    """The command line."""
    parser = build_parser(__doc__)
    parser.add_argument("--styles", nargs="+", help="names or .onnx files (default: all that ship)")
    parser.add_argument("--size", default="1280x720", help="of the frames that are timed; multiples of 4")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: 7)")
    parser.add_argument("--provider", default="auto", help="of Stylizer (default: auto)")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--peers", type=Path, metavar="DIR", help="trained models of others, one project a folder")
    parser.add_argument("--johnson", type=Path, metavar="FILE", help="trained weights of our johnson (width 32)")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="held-out photos for the objective")
    parser.add_argument("--paintings", nargs="+", default=[], metavar="NAME=FILE", help="the model's own painting")
    parser.add_argument("--count", type=int, default=10, help="photos (default: 10)")
    parser.add_argument("--photo-size", type=int, default=256, help="their long side (default: 256)")
    parser.add_argument("--perceptual", default="vgg19", help="the perceptual network (default: vgg19)")
    parser.add_argument("--perceptual-weights", metavar="FILE")
    parser.add_argument("--second", default="auto", help="a second network, for the field's figures; as for compare")
    parser.add_argument("--second-weights", metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the same table, with machine and date")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> int:
    """Open, time, measure and report everything."""
    size = parse_size(options.size)
    if size[0] % 4 or size[1] % 4:
        raise ConfigError(f"the size must be of multiples of 4, which these networks need, not {options.size}.")
    if options.rounds < 1 or options.threads < 1:
        raise ConfigError("rounds and threads must be at least 1.")
    for path in (options.json, options.markdown):
        if path:
            check_output(path, overwrite=options.overwrite)
    paintings = named_files(options.paintings)
    torch.set_num_threads(options.threads)
    styles = [resolve_style(style) for style in options.styles or available_styles()]
    stylizers = {style.stem: Stylizer(style, options.provider, options.threads) for style in styles}
    left_out: dict[str, str] = {}
    contenders = [*eager_network(options.johnson, size, options.threads), *ours(stylizers, size, options.threads)]
    if options.peers:
        peers, left_out = find_peers(options.peers, options.threads)
        contenders += [
            Contender(one.project, one.name, one.runs_on, one.run, one.size or size, one.size is not None)
            for one in peers
        ]
    measured: dict[Key, dict[str, float]] = {}
    if options.photos and paintings:  # first, since weights may be missing
        weights = next(iter(stylizers.values())).metadata.loss_weights
        # Random weights are not worth measuring.
        trained = [one for one in contenders if not one.fixed and (one.style != _JOHNSON or options.johnson)]
        pictures = [((one.label, one.style), one.run) for one in trained]
        measured = objectives(pictures, weights, paintings, options)
    times = interleaved(contenders, options.rounds)
    overheads = {
        name: overhead(stylizer, size, options.threads, options.rounds) for name, stylizer in stylizers.items()
    }
    results = summarize(contenders, times, measured)
    report(results, overheads, left_out, options)
    return 0


def eager_network(trained: Path | None, size: tuple[int, int], threads: int) -> Iterator[Contender]:
    """(a) and (b): the published network eager and in stock onnxruntime, with random or with given weights."""
    torch.manual_seed(0)
    network: nn.Module = PlainJohnson().eval()
    if trained:
        own, metadata = load_network(trained)
        if metadata.network != _JOHNSON or own.options != {"width": 32, "blocks": 5}:
            raise ConfigError(
                f"{trained} is not a johnson of width 32 and 5 blocks, but {metadata.network} {own.options}."
            )
        network = PlainJohnson(head="tanh").take(own).eval()
    run = eager(lambda x: network(x / 255) * 255)
    yield Contender("(a) published network", _JOHNSON, "torch eager f32", run, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "johnson.onnx"
        save_graph(trace_graph(StyleModelGraph(network, torch.float32), "stylized", channels=3), {}, path)
        session = stock_session(str(path), threads)
    yield Contender("(b) the same", _JOHNSON, "onnxruntime cpu f32", bare(session), size)


def ours(stylizers: dict[str, Stylizer], size: tuple[int, int], threads: int) -> Iterator[Contender]:
    """(c) and (d): our styles by `Stylizer` and in stock onnxruntime."""
    for name, stylizer in stylizers.items():
        engine = f"{stylizer.model.provider} {stylizer.model.precision}"
        # The way from Pillow's image back to an array counts as ours.
        yield Contender("(c) Stylizer", name, engine, lambda frame, one=stylizer: np.asarray(one(frame)), size)
    for name, stylizer in stylizers.items():
        session = stock_session(str(stylizer.model.path), threads)
        yield Contender("(d) the same file", name, "onnxruntime cpu f32", bare(session), size)


def bare(session: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A style model file in ten lines without fastnst."""

    def run(frame: np.ndarray) -> np.ndarray:
        pixels: np.ndarray = session.run(["stylized"], {"image": frame[None]})[0][0]
        return pixels

    return run


def interleaved(contenders: list[Contender], rounds: int) -> list[list[float]]:
    """Seconds of each run. All take turns, so that a slow minute of the machine hits all alike."""
    frames = {one.size: test_picture(*one.size)[0] for one in contenders}
    counts, times = [], []
    for one in contenders:  # the warm-up, which also shows how many runs make a turn
        one.run(frames[one.size])
        counts.append(max(1, min(_MAX_RUNS_PER_TURN, round(_MIN_TURN_SECONDS / timed(one.run, frames[one.size])))))
        times.append([])
    for _ in range(rounds):
        for one, count, seconds in zip(contenders, counts, times, strict=True):
            seconds += [timed(one.run, frames[one.size]) for _ in range(count)]
    return times


def timed(run: Callable[[np.ndarray], np.ndarray], frame: np.ndarray) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    run(frame)
    return time.perf_counter() - started


def overhead(stylizer: Stylizer, size: tuple[int, int], threads: int, rounds: int) -> float:
    """The share by which `Stylizer` takes longer than its engine's bare session run."""
    model = stylizer.model
    on_gpu = model.provider in ("cuda", "tensorrt")  # there the session's run would not be that of the engine
    alone = (lambda one: model(one[None])[0]) if on_gpu else bare(model.session)
    frame = test_picture(*size)[0]
    runs = (alone, stylizer)
    for run in runs:
        run(frame)
    pairs = max(5 * rounds, 5)
    # Each goes first in every other pair: a frequency that falls with the heat would otherwise count for one of them.
    times = [
        [timed(run, frame) for run in order][:: 1 if order is runs else -1]
        for order in (runs if pair % 2 else runs[::-1] for pair in range(pairs))
    ]
    return statistics.median(through / engine for engine, through in times) - 1


def summarize(
    contenders: list[Contender], times: list[list[float]], measured: dict[Key, dict[str, float]]
) -> list[Result]:
    """The figures of each, the first being what the others are compared with."""
    rates = [
        one.size[0] * one.size[1] / statistics.median(seconds) for one, seconds in zip(contenders, times, strict=True)
    ]
    return [
        Result(
            one.label, one.style, one.runs_on, f"{one.size[1]}x{one.size[0]}", 1e3 * statistics.median(seconds),
            1 / statistics.median(seconds), rate / rates[0], len(seconds), measured.get((one.label, one.style)),
        )
        for one, seconds, rate in zip(contenders, times, rates, strict=True)
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
