"""Compares styles with what the machine could do: the roofline (Williams, Waterman and Patterson 2009).

    python benchmarks/roofline.py [starry_night] [--size 1080p] [--provider auto cpu] [--json FILE]

A network cannot be faster than its multiplications at the machine's peak, nor than its feature maps and weights through
the memory; the larger of the two times is the roof, and `share` is roof over time. Counted are the convolutions: their
multiply-accumulates, and what each must read and write if all else were fused into it. Peak and bandwidth are measured
in the same run: the fastest of several large matrix products and convolutions in torch at the engine's precision, and
of several copies. An engine whose kernels are better than torch's can have a share above 1.

On a GPU `resident` is a run whose input and output stay on the device; on a CPU it is the bare session. `host` is from
a frame in the host's memory to one. With --provider tensorrt cuda both are in one table. Runs take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from command_line import build_parser
from fastnst.checkpoints import load_network
from fastnst.commands.bench import parse_size, test_picture
from fastnst.errors import ConfigError, FastNSTError
from fastnst.networks import StyleNetwork
from fastnst.networks.base import UpsampleBlock
from fastnst.output_files import check_output, write_atomically
from fastnst.runtime import StyleModel, resolve_style
from fastnst.runtime.engine.providers import usable_cores

_MATRIX_SIDES = {"cpu": 3072, "cuda": 8192}  # side of the matrices
_COPY_BYTES = 1 << 28  # bytes
_TRIALS = 8
_DTYPES = {"f32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


@dataclass
class Work:
    """The costs of a picture: multiply-accumulates, and elements that convolutions read and write."""

    macs: float
    elements: float


@dataclass
class Result:
    """One engine. Times in milliseconds, rates in 10⁹ a second; `bound` is what the roof is made of."""

    style: str
    provider: str
    precision: str
    peak_gmacs: float
    bandwidth_gb: float
    roof_ms: float
    bound: str
    resident_ms: float
    share: float
    host_ms: float
    host_fps: float


def count_work(network: StyleNetwork, height: int, width: int) -> Work:
    """The work of one picture of this size, by hooks on every convolution at a small size, which scales exactly.

    An enlargement and its convolution are one convolution of the small map, with as many multiplications.
    """
    side = 16 * network.stride
    macs = elements = weights = 0.0

    def add(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal macs, elements, weights
        macs += output.numel() * layer.weight[0].numel()
        elements += inputs[0].numel() + output.numel()
        weights += layer.weight.numel()

    def add_enlarging(block: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        add(block.conv[0], inputs, output)

    enlarging = [one for one in network.modules() if isinstance(one, UpsampleBlock) and one.mode == "bilinear"]
    hooks = [layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hooks += [block.register_forward_hook(add_enlarging) for block in enlarging]
    with torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    pictures = height * width / side**2
    return Work(macs * pictures, elements * pictures + weights)


def peak_macs(precision: str, device: str) -> float:
    """Multiply-accumulates a second: the fastest of several large matrix products and convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    side = _MATRIX_SIDES[device]
    factors = [torch.randn(side, side, device=device).to(_DTYPES[precision]) for _ in range(2)]
    product = side**3 / fastest(lambda: torch.mm(*factors), device)
    channels, extent = side // 12, side // 24
    maps = torch.randn(1, channels, extent, extent, device=device).to(_DTYPES[precision])
    layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False, device=device, dtype=_DTYPES[precision])
    maps, layer = maps.to(memory_format=torch.channels_last), layer.to(memory_format=torch.channels_last)
    with torch.no_grad():
        convolution = maps.numel() * layer.weight[0].numel() / fastest(lambda: layer(maps), device)
    return max(product, convolution)


def bandwidth(device: str) -> float:
    """Bytes a second, read and written: the fastest of several copies."""
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPY_BYTES / fastest(lambda: target.copy_(source), device)


def fastest(run: Callable[[], Any], device: str) -> float:
    """Seconds of the best of several runs, after one that warms up."""
    times = []
    for _ in range(_TRIALS + 1):
        started = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def time_engines(models: list[StyleModel], frame: np.ndarray, rounds: int) -> list[tuple[float, float]]:
    """Median seconds of each, resident and from host to host, taking turns."""
    runs = [(model.resident(frame), lambda one=model: one(frame)) for model in models]
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in models]
    for turn in range(rounds + 1):
        for pair, durations in zip(runs, times, strict=True):
            for run, seconds in zip(pair, durations, strict=True):
                started = time.perf_counter()
                run()
                if turn:  # the first warms up
                    seconds.append(time.perf_counter() - started)
    return [(statistics.median(resident), statistics.median(host)) for resident, host in times]


def measure(options: argparse.Namespace) -> list[Result]:
    """All engines that were asked for."""
    if options.rounds < 1 or options.threads < 1:
        raise ConfigError("rounds and threads must be at least 1.")
    height, width = parse_size(options.size)
    torch.set_num_threads(options.threads)
    path = resolve_style(options.style)
    network, metadata = load_network(path)
    work = count_work(network, height, width)
    models = [StyleModel(path, provider, options.threads) for provider in options.provider]
    results = []
    for model, (resident, host) in zip(
        models, time_engines(models, test_picture(height, width), options.rounds), strict=True
    ):
        device = "cuda" if model.provider in ("cuda", "tensorrt") else "cpu"
        peak, rate = peak_macs(model.precision, device), bandwidth(device)
        size = torch.finfo(_DTYPES[model.precision]).bits // 8
        limits = {"arithmetic": work.macs / peak, "memory": size * work.elements / rate}
        bound = max(limits, key=limits.__getitem__)
        results.append(
            Result(
                style=metadata.name,
                provider=model.provider,
                precision=model.precision,
                peak_gmacs=peak / 1e9,
                bandwidth_gb=rate / 1e9,
                roof_ms=1e3 * limits[bound],
                bound=bound,
                resident_ms=1e3 * resident,
                share=limits[bound] / resident,
                host_ms=1e3 * host,
                host_fps=1 / host,
            )
        )
    return results


def table(results: list[Result], size: str) -> str:
    """One line an engine."""
    head = f"{'engine':<16}{'size':>7}{'GMAC/s':>9}{'GB/s':>7}{'roof ms':>9}  {'bound by':<11}"
    lines = [f"{head}{'resident ms':>12}{'share':>7}{'host ms':>9}{'fps':>7}"]
    for one in results:
        engine = f"{one.provider} {one.precision}"
        lines.append(
            f"{engine:<16}{size:>7}{one.peak_gmacs:>9.0f}{one.bandwidth_gb:>7.0f}{one.roof_ms:>9.2f}  {one.bound:<11}"
            f"{one.resident_ms:>12.2f}{one.share:>7.0%}{one.host_ms:>9.2f}{one.host_fps:>7.1f}"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """0, or 2 for what a user can get wrong."""
    parser = build_parser(__doc__)
    parser.add_argument("style", nargs="?", default="starry_night", help="a name or .onnx file")
    parser.add_argument("--size", default="1080p")
    parser.add_argument("--provider", nargs="+", default=["auto"])
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    options = parser.parse_args()
    try:
        if options.json:
            check_output(options.json, overwrite=options.overwrite)
        results = measure(options)
        sys.stdout.write(table(results, options.size))
        if options.json:
            with write_atomically(options.json, overwrite=options.overwrite) as partial:
                partial.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    except FastNSTError as error:
        sys.stderr.write(f"roofline: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
