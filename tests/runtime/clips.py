"""Makes, restyles and probes small clips for the tests of videos and cameras."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from fastnst import cli

NTSC = Fraction(30000, 1001)


def picture(index: int, width: int, height: int) -> np.ndarray:
    """A shaded picture with a white square that moves to the right."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([(x * 200 // width) + 20, (y * 200 // height) + 20, np.full_like(x, 40 + index * 3 % 160)], -1)
    side = height // 4
    left = (width - side) * index % (width - side)
    rgb[side : 2 * side, left : left + side] = 235
    return rgb.astype(np.uint8)


def make_clip(
    path: Path,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    frames: int = 24,
    rate: Fraction = NTSC,
    pixels: str = "yuv420p",
    sound: str | None = "aac",
    variable: bool = False,
    tags: tuple[int, int, int] | None = None,
    subtitles: str | None = None,
    draw: Callable[[int, int, int], np.ndarray] = picture,
    crf: int | None = None,
) -> Path:
    """Write a clip. `tags` are primaries, transfer and matrix; `variable` gives frames uneven times in milliseconds.

    `draw` makes picture number n of a width and height.
    """
    tick = Fraction(1, 1000) if variable else 1 / rate
    options = {"x265-params": "log-level=none", "crf": "5"} if codec == "libx265" else {}
    if crf is not None:
        options["crf"] = str(crf)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate, options=options)
        video.width, video.height, video.pix_fmt = *size, pixels
        context: Any = video.codec_context
        context.time_base = tick
        if tags:
            context.color_primaries, context.color_trc, context.colorspace = tags
        audio: Any = container.add_stream(sound, rate=48000) if sound else None
        text: Any = container.add_mux_stream(subtitles) if subtitles else None
        if audio:
            audio.layout = "mono"
        time = 0
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(index, *size)).reformat(format=pixels)
            if tags:
                frame.color_primaries, frame.color_trc, frame.colorspace = tags
            frame.pts, frame.time_base = time, tick
            time += 20 + index * 37 % 60 if variable else 1
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio:
            _sing(container, audio, float(time * tick))
        if text:
            packet = av.Packet(b"\x00\x05hello" if subtitles == "mov_text" else b"hello")
            packet.stream, packet.pts, packet.dts, packet.duration = text, 0, 0, 400
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)
    return path


def _sing(container: Any, stream: Any, seconds: float) -> None:
    count = 0
    while count < seconds * 48000:
        wave = 0.3 * np.sin(2 * np.pi * 440 * (np.arange(1024) + count) / 48000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, count, Fraction(1, 48000)
        container.mux(stream.encode(frame))
        count += 1024
    container.mux(stream.encode())


@dataclass
class Probed:
    """A clip as a player sees it: by stream type, the sorted times in seconds and the packets' bytes."""

    size: tuple[int, int]
    rate: Fraction
    codec: str
    pixels: str
    times: dict[str, list[Fraction]]
    packets: dict[str, list[bytes]]


def probe(path: Path) -> Probed:
    """Read a clip's streams."""
    times: dict[str, list[Fraction]] = {}
    packets: dict[str, list[bytes]] = {}
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        for packet in container.demux():
            if packet.pts is not None:
                times.setdefault(packet.stream.type, []).append(packet.pts * packet.time_base)
                packets.setdefault(packet.stream.type, []).append(bytes(packet))
        rate = Fraction(video.guessed_rate or 0)  # the average is not in every file that PyAV 17 writes
        size, codec, pixels = (video.width, video.height), video.codec_context.codec.canonical_name, video.pix_fmt
    return Probed(size, rate, codec, pixels or "", {kind: sorted(found) for kind, found in times.items()}, packets)


def pictures(path: Path) -> np.ndarray:
    """All frames as they are stored, `[N, H, W, 3]` integers."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(int)


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Write a display matrix into the header of an MP4's first track."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44  # version 0: 40 bytes before the matrix
    content[start : start + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def stylize(model: Path, source: Path, output: Path, *options: object) -> int:
    """The exit code of `fastnst stylize` on the CPU."""
    return cli.main([*map(str, ["stylize", source, "--style", model, "-o", output, "--provider", "cpu", *options])])
