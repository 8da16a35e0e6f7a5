"""`fastnst bench [STYLE…]`: how fast styles run here, at which precision, in how much memory."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fastnst.array_types import UInt8Image
from fastnst.commands.options.parser import Parser
from fastnst.commands.options.size import SIZES, parse_size
from fastnst.errors import ConfigError, FastNSTError, ModelError
from fastnst.output_files import check_output, write_atomically
from fastnst.printable import printable
from fastnst.runtime.models.catalog import available_styles, resolve_style
from fastnst.runtime.models.style_model import StyleModel
from fastnst.standard_streams import print_result

_SECONDS_PER_STYLE = 4.0  # a style and size is repeated for about this long, ...
_MAX_PIXELS = 64_000_000
_MIN_REPEATS, _MAX_REPEATS = 3, 100  # ... but within these counts


@dataclass
class Measured:
    """One style at one size. Times in milliseconds, memory in MB of the whole process."""

    style: str
    size: str
    provider: str
    precision: str
    median_ms: float
    p95_ms: float
    fps: float
    megapixels_per_second: float
    first_frame_ms: float
    peak_memory_mb: float
    repeats: int


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Time styles: warm-up left out, styles and sizes taking turns.")
    parser.add_argument("styles", nargs="*", metavar="STYLE", help="names or .onnx files (default: all that ship)")
    parser.add_argument(
        "--size", nargs="+", default=["360p", "720p", "1080p"], metavar="SIZE", help=f"{', '.join(SIZES)}, WxH"
    )
    parser.add_argument("--provider", nargs="+", default=["auto"], help="one or more to compare (default: auto)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all that may be used)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=_SECONDS_PER_STYLE,
        help=f"for each style and size (default: {_SECONDS_PER_STYLE:g})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser


def main(argv: list[str], prog: str = "fastnst bench") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong."""
    options = build_parser(prog).parse_args(argv)
    if options.json:
        check_output(options.json, overwrite=options.overwrite)
    sizes = {name: parse_size(name) for name in options.size}
    if not 0 < options.seconds < math.inf:
        raise ConfigError(f"seconds must be a number above 0, not {options.seconds}.")
    for name, (height, width) in sizes.items():
        if height * width > _MAX_PIXELS:
            raise ConfigError(f"the size {name} is too large to be timed: {_MAX_PIXELS:,} pixels are the most.")
    styles = options.styles or list(available_styles())
    models = {
        (style, provider): StyleModel(resolve_style(style), provider, options.threads)
        for style in styles
        for provider in options.provider
    }
    times = interleaved(models, sizes, options.seconds)
    results = []
    for (style, provider, size), durations in times.items():
        first, peak = fresh_process(resolve_style(style), provider, options.threads, sizes[size])
        results.append(summarize(style, size, models[style, provider], durations, sizes[size], first, peak))
    print_result(table(results))
    if options.json:
        with write_atomically(options.json, overwrite=options.overwrite) as partial:
            partial.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    return 0


def interleaved(
    models: dict[tuple[str, str], StyleModel], sizes: dict[str, tuple[int, int]], seconds: float
) -> dict[tuple[str, str, str], list[float]]:
    """Seconds of each run. Models and sizes take turns, so that a slow minute of the machine hits all alike."""
    pictures = {name: test_picture(*size) for name, size in sizes.items()}
    jobs = [(*key, name) for name in sizes for key in models]
    times: dict[tuple[str, str, str], list[float]] = {}
    counts = {}
    for style, provider, name in jobs:  # the warm-up, which also shows how many repeats fit
        run = models[style, provider]
        run(pictures[name])
        started = time.perf_counter()
        run(pictures[name])
        once = time.perf_counter() - started
        times[style, provider, name] = []
        counts[style, provider, name] = min(_MAX_REPEATS, max(_MIN_REPEATS, round(seconds / once)))
    for turn in range(max(counts.values())):
        for job in jobs:
            # Spread over all turns: a job with few repeats does not take them all at the beginning.
            if (turn + 1) * counts[job] // max(counts.values()) > turn * counts[job] // max(counts.values()):
                style, provider, name = job
                started = time.perf_counter()
                models[style, provider](pictures[name])
                times[job].append(time.perf_counter() - started)
    return times


def test_picture(height: int, width: int) -> UInt8Image:
    """Smooth shading with noise, uint8 `[1, H, W, 3]`."""
    y, x = np.mgrid[0:height, 0:width]
    shading = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1)
    noise = np.random.default_rng(0).integers(-8, 9, shading.shape)
    return np.clip(shading + noise, 0, 255).astype(np.uint8)[None]


def fresh_process(path: Path, provider: str, threads: int | None, size: tuple[int, int]) -> tuple[float, float]:
    """Milliseconds from a closed file to the first picture, and the process's peak memory in MB."""
    # A child of its own, not multiprocessing: that would run the caller's main module again. Modules that lie where the
    # user happens to be are not looked at.
    code = "import sys; sys.path[:] = filter(None, sys.path); from fastnst.commands import bench; bench.first_frame()"
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    arguments = [os.fspath(path), json.dumps([provider, threads, *size])]
    child = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, env=environment)
    if child.returncode:
        reason = (child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"{path} fails in a process of its own ({printable(reason, 200)}).")
    milliseconds, megabytes = json.loads(child.stdout)
    return float(milliseconds), float(megabytes)


def first_frame() -> None:
    """Run in the child on its arguments: writes `[milliseconds, MB]` as JSON to stdout."""
    path, values = sys.argv[1:]
    provider, threads, *size = json.loads(values)
    picture = test_picture(*size)
    started = time.perf_counter()
    try:
        StyleModel(path, provider, threads)(picture)
    except FastNSTError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps([1e3 * (time.perf_counter() - started), peak_memory()]))


def peak_memory() -> float:
    """The most memory that this process had, in MB; NaN where the system does not report it."""
    status = Path("/proc/self/status")
    if os.path.exists(status):  # Linux, where a child's ru_maxrss would begin with its parent's
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # macOS counts bytes, others kilobytes


def summarize(
    style: str, size: str, model: StyleModel, durations: list[float], pixels: tuple[int, int], first: float, peak: float
) -> Measured:
    """The figures of one style at one size."""
    median = statistics.median(durations)
    return Measured(
        style=style,
        size=size,
        provider=model.provider,
        precision=model.precision,
        median_ms=1e3 * median,
        p95_ms=1e3 * float(np.percentile(durations, 95)),
        fps=1 / median,
        megapixels_per_second=pixels[0] * pixels[1] / median / 1e6,
        first_frame_ms=first,
        peak_memory_mb=peak,
        repeats=len(durations),
    )


def table(results: list[Measured]) -> str:
    """The figures in columns."""
    heads = ("style", "size", "engine", "median ms", "p95 ms", "fps", "MP/s", "first ms", "peak MB")
    rows = [
        (
            printable(Path(one.style).stem, 60), one.size, f"{one.provider} {one.precision}", f"{one.median_ms:.1f}",
            f"{one.p95_ms:.1f}", f"{one.fps:.1f}", f"{one.megapixels_per_second:.1f}", f"{one.first_frame_ms:.0f}",
            f"{one.peak_memory_mb:.0f}",
        )
        for one in results
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "  ".join(
            f"{cell:<{w}}" if column < 3 else f"{cell:>{w}}"
            for column, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (heads, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"
