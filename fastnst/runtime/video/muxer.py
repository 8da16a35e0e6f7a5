"""Put the finished clip together: restyled pictures from the parts, sound and subtitles from the source, all copied."""

from __future__ import annotations

import contextlib
import heapq
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import OutputError
from fastnst.runtime.video._pyav import import_av, reason
from fastnst.runtime.video.reader import open_clip, video_stream
from fastnst.runtime.video.segments import exact_edits, part_packets

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_OWN_KEYS = {"major_brand", "minor_version", "compatible_brands", "encoder", "comment", "duration", "rotate"}


@dataclass(frozen=True)
class Companions:
    """What goes along with the pictures.

    Attributes:
        path: the source file.
        offset: seconds to take from its times.
        start_cut: whether something before time 0 was cut away.
        end: seconds of the result to stop at, or None.
        streams: the numbers of the source's streams that the container takes.
    """

    path: Path
    offset: Fraction = Fraction(0)
    start_cut: bool = False
    end: Fraction | None = None
    streams: list[int] = field(default_factory=list)


def companions(
    path: Path, suffix: str, offset: Fraction, start_cut: bool, end: Fraction | None
) -> tuple[Companions, list[str]]:
    """What of a clip's sound and subtitles a container takes, and a sentence for each stream that it does not."""
    taken: list[int] = []
    left: list[str] = []
    with open_clip(path) as container:
        for stream in container.streams:
            if stream.type not in ("audio", "subtitle"):
                continue
            if stream.codec_context is not None and _fits(stream, FORMATS[suffix]):
                taken.append(stream.index)
                continue
            codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
            left.append(f"{path}: the {codec} {stream.type} stream was left out: {suffix} cannot hold it (.mkv may).")
    return Companions(path, offset, start_cut, end, taken), left


def assemble(parts: list[Path], output: Path, others: Companions | None, comment: str | None = None) -> None:
    """Write `parts` one after another, with their companions, into `output`. Nothing is encoded again.

    Raises `OutputError` if it cannot be written.
    """
    av = import_av()
    kind = FORMATS[output.suffix.lower()]
    try:
        with contextlib.ExitStack() as stack:
            pictures = stack.enter_context(av.open(str(parts[0])))
            options = {}
            if kind in ("mp4", "mov"):
                tick = Fraction(pictures.streams.video[0].time_base)
                options = {"movflags": "faststart", **exact_edits(tick)}
            result = stack.enter_context(av.open(str(output), "w", format=kind, options=options))
            template = pictures.streams.video[0]
            stream = result.add_stream_from_template(template, opaque=True)
            if kind in ("mp4", "mov") and template.codec_context.name == "hevc":
                stream.codec_context.codec_tag = "hvc1"  # the name under which Apple's players know it
            flows = [_pictures(parts, stream)]
            if others is not None:
                source = stack.enter_context(open_clip(others.path))
                _describe(result, stream, source, others)
                flows.append(_copied(source, result, others))
            if comment:
                result.metadata["comment"] = comment
            for _, packet in heapq.merge(*flows, key=lambda timed: timed[0]):
                result.mux(packet)
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise OutputError(f"the finished clip cannot be put together ({reason(error)}).") from error


def end_of(parts: list[Path]) -> Fraction:
    """Where the pictures of unfinished work end, in seconds."""
    ends = [(packet.pts + (packet.duration or 0)) * Fraction(packet.time_base) for packet in part_packets(parts[-1])]
    return max(ends, default=Fraction(0))


def _pictures(parts: list[Path], stream: Any) -> Iterator[tuple[float, Any]]:
    """The parts' packets. At a seam the second part's first decoding times may lie before the first part's last."""
    last: Fraction | None = None
    for path in parts:
        for packet in part_packets(path):
            tick = Fraction(packet.time_base)
            dts = packet.dts * tick
            if last is not None and dts <= last:
                packet.dts = min(int(last / tick) + 1, packet.pts)
                dts = packet.dts * tick
            last = dts
            packet.stream = stream
            yield float(dts), packet


def _copied(source: Any, result: Any, others: Companions) -> Iterator[tuple[float, Any]]:
    if not others.streams:
        return
    streams = {index: result.streams[number] for number, index in enumerate(others.streams, 1)}
    for packet in source.demux(*(source.streams[index] for index in others.streams)):
        if packet.dts is None and packet.pts is None:
            continue  # the mark of a stream's end
        tick = Fraction(packet.time_base)
        shift = round(others.offset / tick)
        packet.pts = (packet.pts if packet.pts is not None else packet.dts) - shift
        packet.dts = packet.dts - shift if packet.dts is not None else packet.pts
        late = others.end is not None and packet.pts * tick >= others.end
        # Matroska has no times below zero and would shift the pictures for the encoder's warm-up before the sound.
        # Opus alone keeps it, as a delay in the header.
        opus = packet.stream.codec_context.name == "opus"
        early = packet.pts < 0 and (others.start_cut or (result.format.name in ("matroska", "webm") and not opus))
        if late or (early and not _reaches_in(packet)):
            continue
        packet.stream = streams[packet.stream.index]
        yield float(packet.dts * tick), packet


def _reaches_in(packet: Any) -> bool:
    """Whether a subtitle from before the cut is still shown after it; it then starts with the cut."""
    if packet.stream.type != "subtitle" or packet.pts + (packet.duration or 0) <= 0:
        return False
    packet.duration += packet.pts
    packet.pts = packet.dts = 0
    return True


def _describe(result: Any, pictures: Any, source: Any, others: Companions) -> None:
    """Streams, titles, languages and chapters as in the source."""
    result.metadata.update({key: value for key, value in source.metadata.items() if key not in _OWN_KEYS})
    origin = video_stream(source, others.path)
    pictures.metadata.update({key: value for key, value in origin.metadata.items() if key in ("language", "title")})
    for index in others.streams:
        stream = source.streams[index]
        copy = result.add_stream_from_template(stream)
        copy.metadata.update({key: value for key, value in stream.metadata.items() if key not in _OWN_KEYS})
        copy.disposition = int(stream.disposition)
    chapters = [shifted for chapter in source.chapters() if (shifted := _shifted(chapter, others)) is not None]
    if chapters:
        result.set_chapters(chapters)


def _shifted(chapter: Any, others: Companions) -> Any:
    tick = Fraction(chapter["time_base"] or Fraction(1, 1000))
    shift = round(others.offset / tick)
    start, end = max(0, chapter["start"] - shift), chapter["end"] - shift
    if others.end is not None:
        end = min(end, int(others.end / tick))
    return {**chapter, "start": start, "end": end} if end > start else None


def _fits(stream: Any, kind: str) -> bool:
    """Write a header with the stream into memory: the only sure way to learn what a container takes."""
    av = import_av()
    container = av.open(io.BytesIO(), "w", format=kind)
    try:
        container.add_stream_from_template(stream)
        container.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    finally:
        with contextlib.suppress(ValueError, av.error.FFmpegError, OSError):
            container.close()
    return True
