"""Speed of the clip pipeline against its slowest stage alone, in one run; and its memory over a long clip.

    python benchmarks/video.py --style starry_night [--clip FILE] [--frames 150 --size 640x360 --rounds 3]
    python benchmarks/video.py --style starry_night --soak 60        # minutes of work; memory every ten seconds

Decoding, the engine and encoding are timed one after another on the same frames, each with the whole machine to itself,
then the pipeline does all three at once. The goal is a ratio of 0.9. Where stages share too few cores the ratio cannot
reach it: the work of all stages has to fit into the time of the slowest one. `possible` in the output says what would
be the best ratio if the stages' processor seconds were spread over the cores without any loss.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from command_line import run_command
from fastnst.runtime import Stylizer, resolve_style
from fastnst.runtime.camera.stats import resident_mebibytes
from fastnst.runtime.engine.providers import usable_cores
from fastnst.runtime.finishing import RestyleOptions
from fastnst.runtime.video.convert import Target, convert_clip
from fastnst.runtime.video.encoders import choose_encoder
from fastnst.runtime.video.reader import VideoSource
from fastnst.runtime.video.segments import PartWriter
from fastnst.runtime.video.stages import FrameStylist
from fastnst.runtime.video.types import ClipInfo, Frame

_PREPARED_FRAMES = 24  # frames that stages alone go through again and again
_REPORT_SECONDS = 10.0  # seconds between lines on memory


def main() -> int:
    """Measure and print a table and a JSON line."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        clip = options.clip or make_clip(Path(folder) / "clip.mp4", options.size, options.frames)
        stylizer = Stylizer(resolve_style(options.style), options.provider, options.threads)
        stylist = FrameStylist(stylizer, RestyleOptions(smooth=options.smooth), options.batch)
        source = VideoSource(clip, options.max_size)
        stylizer(next(source.frames()).rgb)  # the first call of a provider compiles for the size
        if options.soak:
            return soak(source, stylist, options, Path(folder))
        prepared = restyled(source, stylist)
        stages: dict[str, Callable[[], int]] = {
            "decode": lambda: sum(1 for _ in source.frames()),
            "engine": lambda: run_engine(source, stylist, options.frames),
            "encode": lambda: run_encoder(source, prepared, options, Path(folder)),
            "pipeline": lambda: run_pipeline(source, stylist, options, Path(folder)),
        }
        rates: dict[str, list[float]] = {name: [] for name in stages}
        work: dict[str, list[float]] = {name: [] for name in stages}
        for _, (name, stage) in itertools.product(range(options.rounds), stages.items()):
            started, busy = time.perf_counter(), time.process_time()
            frames = stage()
            rates[name].append(frames / (time.perf_counter() - started))
            work[name].append((time.process_time() - busy) / frames)
        report(rates, work, stylizer, source, options)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--style", required=True)
    parser.add_argument("--clip", type=Path, help="a clip (default: one is made)")
    parser.add_argument("--frames", type=int, default=150, help="of the clip that is made, and for the engine alone")
    parser.add_argument("--size", default="640x360", help="of the clip that is made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-size", type=int)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--smooth", action="store_true")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="work this long and watch memory instead")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


def make_clip(path: Path, size: str, frames: int) -> Path:
    """A pan over a structured picture with some noise: neither trivial nor impossible to encode."""
    width, height = map(int, size.split("x"))
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    wide = np.asarray(Image.fromarray(small).resize((width + frames, height), Image.Resampling.BICUBIC), int)
    info = ClipInfo(width, height, Fraction(1001, 30000), Fraction(30000, 1001))
    writer = PartWriter(path, info, choose_encoder(info, kind="software"), {})
    for index in range(frames):
        noise = random.normal(0, 3, (height, width, 1))
        picture = np.clip(wide[:, index : index + width] + noise, 0, 255).astype(np.uint8)
        writer.add(Frame(index, 1, picture))
    writer.close()
    return path


def run_engine(source: VideoSource, stylist: FrameStylist, count: int) -> int:
    """The stages between decoding and encoding, one after another."""
    frames = itertools.islice(itertools.cycle(list(itertools.islice(source.frames(), _PREPARED_FRAMES))), count)
    size = stylist.stages[0].batch
    while batch := list(itertools.islice(frames, size)):
        items = batch
        for stage in stylist.stages:
            items = stage.work(items)
    return count


def run_encoder(source: VideoSource, prepared: list[Frame], options: argparse.Namespace, folder: Path) -> int:
    """Encode restyled frames that are there already."""
    step = round(1 / (source.info.rate or 25) / source.info.time_base)
    writer = PartWriter(folder / "encode.mp4", source.info, choose_encoder(source.info, options.codec), {})
    for index in range(options.frames):
        writer.add(replace(prepared[index % len(prepared)], time=index * step))
    writer.close()
    return int(options.frames)


def restyled(source: VideoSource, stylist: FrameStylist) -> list[Frame]:
    """Some restyled frames, which the encoder alone goes through again and again."""
    return [stylist.restyle([frame])[0] for frame in itertools.islice(source.frames(), _PREPARED_FRAMES)]


def run_pipeline(source: VideoSource, stylist: FrameStylist, options: argparse.Namespace, folder: Path) -> int:
    """The whole command: start, pipeline, and putting the file together."""
    target = Target(folder / "out.mp4", options.codec, encoder=options.encoder, overwrite=True)
    return convert_clip(source, stylist, target).run.items


def report(
    rates: dict[str, list[float]],
    work: dict[str, list[float]],
    stylizer: Stylizer,
    source: VideoSource,
    options: argparse.Namespace,
) -> None:
    """The table and the JSON."""
    fps = {name: statistics.median(values) for name, values in rates.items()}
    seconds = {name: statistics.median(values) for name, values in work.items()}
    slowest = min(("decode", "engine", "encode"), key=lambda name: fps[name])
    shared = sum(seconds[name] for name in ("decode", "engine", "encode")) / usable_cores()
    figures = {
        "fps": {name: round(value, 2) for name, value in fps.items()},
        "cpu_ms": {name: round(1000 * value, 2) for name, value in seconds.items()},
        "slowest": slowest,
        "ratio": round(fps["pipeline"] / fps[slowest], 3),
        "possible": round(min(1.0, 1 / shared / fps[slowest]), 3),
        "size": [source.info.width, source.info.height],
        "engine": [stylizer.model.provider, stylizer.model.precision],
        "cores": usable_cores(),
    }
    for name in rates:
        spread = f"{min(rates[name]):.1f}-{max(rates[name]):.1f}"
        sys.stdout.write(
            f"{name:9} {fps[name]:8.1f} fps ({spread})  {1000 * seconds[name]:7.2f} ms of processor a frame\n"
        )
    sys.stdout.write(f"{figures['ratio']} of {slowest} alone; possible on these cores: {figures['possible']}\n")
    sys.stdout.write(json.dumps(figures) + "\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


class Again:
    """A clip played again and again until the time is up, as one long clip."""

    def __init__(self, source: VideoSource, minutes: float) -> None:
        self.name, self.info, self.warnings = source.name, source.info, source.warnings
        self._source, self._until = source, time.monotonic() + 60 * minutes

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Frames with times that go on rising."""
        offset = 0
        while True:
            last = 0
            for frame in self._source.frames():
                if time.monotonic() > self._until:
                    return
                last = frame.time + (frame.duration or 1)
                yield replace(frame, time=frame.time + offset)
            offset += last


def soak(source: VideoSource, stylist: FrameStylist, options: argparse.Namespace, folder: Path) -> int:
    """Work for long and print memory."""
    memory: list[float] = []
    next_line = time.monotonic() + _REPORT_SECONDS

    def report(done: int, seconds: float) -> None:
        nonlocal next_line
        if time.monotonic() < next_line:
            return
        next_line += _REPORT_SECONDS
        memory.append(resident_mebibytes() or 0)
        sys.stdout.write(f"{done} frames, {seconds / 60:.1f} min of clip, {memory[-1]:.0f} MiB\n")
        sys.stdout.flush()

    target = Target(folder / "out.mp4", options.codec, encoder=options.encoder, overwrite=True)
    convert_clip(Again(source, options.soak), stylist, target, report)
    half = len(memory) // 2
    if half:
        first, second = statistics.median(memory[:half]), statistics.median(memory[half:])
        sys.stdout.write(f"median memory, first half {first:.0f} MiB, second half {second:.0f} MiB\n")
    return 0


if __name__ == "__main__":
    run_command(main)
