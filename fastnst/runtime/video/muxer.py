"""Put the finished clip together: restyled pictures from the parts, sound and subtitles from the source."""

from __future__ import annotations

import contextlib
import errno
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import ClipError, OutputError
from fastnst.runtime.video._pyav import import_av, open_input, open_output, readable, reason, texts
from fastnst.runtime.video.companions import FORMATS, Companions, copied_sound
from fastnst.runtime.video.container import demuxed, open_clip, times_may_jump, video_stream
from fastnst.runtime.video.segments import exact_edits, part_packets
from fastnst.runtime.video.sound import SoundEncoder
from fastnst.runtime.video.timeline import Timeline

_OWN_KEYS = {"major_brand", "minor_version", "compatible_brands", "encoder", "comment", "duration", "rotate"}
_DISK_ERRNOS = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}


def assemble(
    parts: list[Path],
    output: Path,
    others: Companions | None,
    comment: str | None = None,
    shifts: list[Fraction] | None = None,
) -> list[str]:
    """Write `parts` one after another, with their companions, into `output`. Pictures are not encoded again.

    Sound that cannot be copied is encoded, and left out if that fails, too: pictures that took hours are not lost for
    it. `shifts` are seconds to add to the times of each part; None for parts that have the result's times. Returns
    sentences about the sound; raises `OutputError` if the file cannot be written.
    """
    attempts: list[tuple[Companions | None, str]] = [(others, "")]
    audio = copied_sound(others)
    if others is not None and audio:
        rest = [number for number in others.copied if number not in audio]
        encoded = replace(others, copied=rest, encoded=sorted((*others.encoded, *audio)))
        attempts.append((encoded, f"{others.path}: the sound was encoded anew, as it cannot be copied"))
    if others is not None:
        attempts.append((None, f"{others.path}: the sound was left out, as it can be neither copied nor encoded"))
    why = ""
    for attempt, sentence in attempts:
        try:
            _assemble(list(zip(parts, shifts or [Fraction(0)] * len(parts), strict=True)), output, attempt, comment)
        except ClipError as error:
            why = why or str(error).rstrip(".")
            continue
        except (OSError, ValueError, import_av().error.FFmpegError) as error:
            if attempt is None or getattr(error, "errno", None) in _DISK_ERRNOS:
                raise OutputError(f"the finished clip cannot be put together ({reason(error)}).") from error
            why = why or reason(error).rstrip(".")
            continue
        return [f"{sentence} ({why})."] if sentence else []
    raise AssertionError("unreachable")


def end_of(parts: list[Path]) -> Fraction:
    """The end of an unfinished work's pictures, in seconds."""
    ends = [(packet.pts + (packet.duration or 0)) * Fraction(packet.time_base) for packet in part_packets(parts[-1])]
    return max(ends, default=Fraction(0))


def _assemble(parts: list[tuple[Path, Fraction]], output: Path, others: Companions | None, comment: str | None) -> None:
    kind = FORMATS[output.suffix.lower()]
    written = 0
    with contextlib.ExitStack() as stack:
        pictures = stack.enter_context(open_input(parts[0][0]))
        template = pictures.streams.video[0]
        options = {}
        if kind in ("mp4", "mov"):
            options = {"movflags": "faststart", **exact_edits(Fraction(template.time_base))}
        result = stack.enter_context(open_output(output, kind, options))
        stream = result.add_stream_from_template(template, opaque=True)
        if kind in ("mp4", "mov") and template.codec_context.name == "hevc":
            stream.codec_context.codec_tag = "hvc1"  # the name under which Apple's players know it
        flows = [_pictures(parts, stream)]
        if others is not None:
            source = stack.enter_context(open_clip(others.path))
            timeline = Timeline(forward=times_may_jump(source))
            targets = _describe(result, stream, source, others)
            flows.append(_rising(_alongside(source, timeline, targets, others), timeline))
        if comment:
            result.metadata["comment"] = comment
        for _, packet in heapq.merge(*flows, key=lambda timed: timed[0]):
            written += packet.stream is stream
            result.mux(packet)
    _check_whole(output, written)


def _check_whole(output: Path, pictures: int) -> None:
    """Raise `OutputError` unless all pictures can be read back: a disk that is full may report nothing."""
    with open_input(output) as container:
        found = sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)
    if found != pictures:
        raise OutputError(f"the finished clip cannot be put together (only {found} of {pictures} frames were written).")


def _pictures(parts: list[tuple[Path, Fraction]], stream: Any) -> Iterator[tuple[float, Any]]:
    """The parts' packets. At a seam the second part's first decoding times may lie before the first part's last."""
    last: Fraction | None = None
    for path, shift in parts:
        last_shown, duration = _ending(path) if path is parts[-1][0] else (None, 0)
        for packet in part_packets(path):
            tick = Fraction(packet.time_base)
            if packet.pts == last_shown and duration > 0:
                packet.duration = duration
            packet.pts += round(shift / tick)
            packet.dts += round(shift / tick)
            dts = packet.dts * tick
            if last is not None and dts <= last:
                packet.dts = min(int(last / tick) + 1, packet.pts)
                dts = packet.dts * tick
            last = dts
            packet.stream = stream
            yield float(dts), packet


def _ending(part: Path) -> tuple[int | None, int]:
    """Beginning and duration of the picture that is shown last; in ticks.

    MP4 keeps the distances of decoding times; where pictures are encoded ahead these are not how long each is shown.
    """
    packets = [(packet.dts, packet.pts, packet.duration or 0) for packet in part_packets(part)]
    if not packets:
        return None, 0
    ahead = packets[0][1] - packets[0][0]
    end = packets[-1][0] + packets[-1][2] + ahead
    last_shown = max(pts for _, pts, _ in packets)
    return last_shown, end - last_shown


def _alongside(source: Any, timeline: Timeline, streams: dict[int, Any], others: Companions) -> Iterator[Any]:
    """The packets that go with the pictures, for the result's streams, as far as they lie within the cut."""
    for packet in timeline.packets(demuxed(source, str(others.path))):
        target = streams.get(packet.stream.index)
        if target is None or (packet.dts is None and packet.pts is None):
            continue  # another stream, or the mark of one's end
        tick = Fraction(packet.time_base)
        shift = round(others.offset / tick)
        packet.pts = (packet.pts if packet.pts is not None else packet.dts) - shift
        packet.dts = packet.dts - shift if packet.dts is not None else packet.pts
        late = others.end is not None and packet.pts * tick >= others.end
        if late or (_early(packet, tick, target, others) and not _reaches_in(packet)):
            continue
        if isinstance(target, SoundEncoder):
            yield from target.packets(packet)
        else:
            packet.stream = target
            yield packet
    for target in streams.values():
        if isinstance(target, SoundEncoder):
            yield from target.end()


def _early(packet: Any, tick: Fraction, target: Any, others: Companions) -> bool:
    """True if a packet lies before the beginning and has to go."""
    if packet.pts >= 0:
        return False
    if isinstance(target, SoundEncoder):
        return others.start_cut and (packet.pts + (packet.duration or 0)) * tick <= 0
    # Matroska has no times below zero and would shift the pictures for the encoder's warm-up before the sound.
    # Opus alone keeps it, as a delay in the header.
    opus = packet.stream.codec_context.name == "opus"
    return others.start_cut or (target.container.format.name in ("matroska", "webm") and not opus)


def _rising(packets: Iterable[Any], timeline: Timeline) -> Iterator[tuple[float, Any]]:
    """Packets with their time in seconds; those whose decoding time does not rise are left out, as muxers refuse them.

    After a jump, so is what one recording's sound has beyond its pictures: the next one's would begin before its end.
    """
    last: dict[int, Any] = {}
    jumps: dict[int, int] = {}
    for packet in packets:
        number = packet.stream.index
        before = last.get(number)
        if packet.dts is None or _below_matroska(packet):
            continue
        if before is not None:
            jumped = timeline.jumps > jumps[number] and packet.stream.type == "audio"
            duration = before[1] - before[1] // 8 if jumped else 0  # an eighth is rounding, not an overlap
            if packet.dts < before[0] + max(1, duration):
                continue
        if packet.pts is not None and packet.pts < packet.dts:
            packet.pts = packet.dts
        last[number], jumps[number] = (packet.dts, packet.duration or 0), timeline.jumps
        yield float(packet.dts * Fraction(packet.time_base)), packet


def _below_matroska(packet: Any) -> bool:
    below: bool = packet.dts < 0 and packet.stream.type == "audio" and packet.stream.container.format.name == "matroska"
    return below


def _reaches_in(packet: Any) -> bool:
    """True if a subtitle from before the cut is still shown after it; it then starts with the cut."""
    if packet.stream.type != "subtitle" or packet.pts + (packet.duration or 0) <= 0:
        return False
    packet.duration += packet.pts
    packet.pts = packet.dts = 0
    return True


def _describe(result: Any, pictures: Any, source: Any, others: Companions) -> dict[int, Any]:
    """Streams, titles, languages and chapters as in the source; returns what takes each source stream's packets."""
    kept = {key: value for key, value in texts(source.metadata).items() if key not in _OWN_KEYS}
    result.metadata.update(kept)
    origin = video_stream(source, others.path)
    pictures.metadata.update(
        {key: value for key, value in texts(origin.metadata).items() if key in ("language", "title")}
    )
    targets: dict[int, Any] = {}
    for index in others.streams:
        stream = source.streams[index]
        if index in others.encoded:
            encoder = SoundEncoder(result, stream, result.format.name)
            copy, targets[index] = encoder.stream, encoder
        else:
            copy = targets[index] = result.add_stream_from_template(stream)
        copy.metadata.update({key: value for key, value in texts(stream.metadata).items() if key not in _OWN_KEYS})
        copy.disposition = int(stream.disposition)
    chapters = [shifted for chapter in source.chapters() if (shifted := _shifted(chapter, others)) is not None]
    if chapters:
        result.set_chapters(chapters)
    return targets


def _shifted(chapter: Any, others: Companions) -> Any:
    tick = Fraction(chapter["time_base"] or Fraction(1, 1000))
    shift = round(others.offset / tick)
    start, end = max(0, chapter["start"] - shift), chapter["end"] - shift
    if others.end is not None:
        end = min(end, int(others.end / tick))
    title = {key: readable(value) for key, value in chapter.get("metadata", {}).items()}
    return {**chapter, "start": start, "end": end, "metadata": title} if end > start else None
