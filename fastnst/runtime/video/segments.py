"""Parts: what is finished of a clip, in files that play at any moment and that a later run goes on from.

A part is a fragmented MP4: whole groups of pictures are appended, so a process that is killed leaves a file that ends
with the last whole group. The pictures alone are in it; sound joins in the end (`muxer.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import OutputError
from fastnst.output_files import check_partial
from fastnst.runtime.video._pyav import import_av, open_input, open_output, readable, reason
from fastnst.runtime.video.encoders import Encoder, configure
from fastnst.runtime.video.frame_marks import Settings, compare, parsed
from fastnst.runtime.video.pixel_formats import FromRGB
from fastnst.runtime.video.types import ClipInfo, Frame

_MAX_NAME_BYTES = 255  # bytes, on the file systems in use
# delay_moov: the header is written with the first fragment, when the encoder's delay is known and times can be exact.
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov", "flush_packets": "1"}


def part_path(output: Path, number: int = 1) -> Path:
    """The path of part `number` of a clip: `out.partial.mp4`, `out.partial-2.mp4` …"""
    return partial_path(output, f".partial{'' if number == 1 else f'-{number}'}.mp4")


def partial_path(output: Path, ending: str) -> Path:
    """`output` with another ending, as unfinished work is named; a stem that leaves no room for it is cut."""
    name = f"{output.stem}{ending}"
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        digits = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:8]
        room = _MAX_NAME_BYTES - len(os.fsencode(ending)) - len(digits) - 1
        name = f"{os.fsencode(output.stem)[:room].decode(errors='ignore')}-{digits}{ending}"
    return output.with_name(name)


def existing_parts(output: Path) -> list[Path]:
    """The parts of a clip that earlier runs left, in order."""
    found: list[Path] = []
    while os.path.lexists(path := part_path(output, len(found) + 1)):
        found.append(path)
    return found


def check_parts(output: Path, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if unfinished work would go to a link, a folder, an input, or somebody else's file."""
    for path in (part_path(output), *existing_parts(output)):
        check_partial(path, inputs)
        if os.path.exists(path) and not _is_ours(path):
            raise OutputError(f"{path} was not left by an interrupted fastnst: move it away, then start again.")


def exact_edits(time_base: Fraction) -> dict[str, str]:
    """Options that keep an MP4 from rounding the time of its first picture to milliseconds."""
    return {"movie_timescale": str(time_base.denominator)}


class PartWriter:
    """A sink that encodes frames into a part.

    Attributes:
        path: the part.
        frames: how many it holds.
        laid_on_white: whether any of them was transparent.

    Raises `OutputError` if the file cannot be written or the encoder fails.
    """

    def __init__(self, path: Path, info: ClipInfo, encoder: Encoder, settings: Settings) -> None:
        self.path, self.frames, self.laid_on_white = path, 0, False
        self._av = import_av()
        self._info = info
        self._to_frame = FromRGB(encoder.pixel_format, info.colors)
        self._durations: dict[int, int] = {}
        self._held: Any = None  # the last packet: how long the clip goes on after it is known in the end only
        self._first: int | None = None
        self._end = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()  # PyAV opens the file with the first packet; a folder that is read-only should show now
            options = {**_FRAGMENTED, **exact_edits(info.time_base)}
            self._container = open_output(path, "mp4", options)
        except (OSError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{path} cannot be written ({reason(error)}).") from error
        self._container.metadata["comment"] = json.dumps(settings)
        self._stream = self._container.add_stream(encoder.name, rate=info.rate or Fraction(25))
        configure(self._stream.codec_context, encoder, info)
        self._stream.time_base = info.time_base

    def add(self, frame: Frame) -> None:
        """Encode the next frame."""
        self.laid_on_white = self.laid_on_white or frame.alpha is not None
        picture = self._to_frame(frame.opaque)
        picture.pts, picture.time_base = frame.time, self._info.time_base
        if frame.duration:
            self._durations[frame.time] = frame.duration
        self._end = frame.time + (frame.duration or 0)
        self._write(picture)
        self.frames += 1

    def close(self) -> None:
        """Flush the encoder and end the file; a part without frames is removed."""
        try:
            if self.frames:
                self._write(None)
                self._write_last()
            self._container.close()
        except (OSError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error
        finally:
            if not self.frames:
                self.path.unlink(missing_ok=True)

    def _write(self, picture: Any) -> None:
        try:
            for packet in self._stream.encode(picture):
                duration = self._durations.pop(packet.pts, None)
                if duration:
                    packet.duration = duration
                self._first = packet.pts - packet.dts if self._first is None else self._first
                packet, self._held = self._held, packet
                if packet is not None:
                    self._container.mux(packet)
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error

    def _write_last(self) -> None:
        """The last packet is not the last picture, where pictures are encoded ahead; the file ends when that ends."""
        packet, self._held = self._held, None
        if packet is None:
            return
        rest = self._end - packet.dts - (self._first or 0)
        if rest > 0:
            packet.duration = rest
        self._container.mux(packet)


@dataclass(frozen=True)
class Progress:
    """The parts that earlier runs finished, the time of their last frame in ticks, and how many frames."""

    parts: list[Path]
    last: int | None
    frames: int


def take_up(output: Path, settings: Settings, time_base: Fraction) -> Progress:
    """The parts that can be gone on from.

    Raises `ConfigError` if the parts were made with other settings: the halves would not fit together.
    """
    parts, last, frames = [], None, 0
    for path in existing_parts(output):
        times = [packet.pts * Fraction(packet.time_base) for packet in part_packets(path)]
        if not times:
            path.unlink()  # killed before the first group was whole
            continue
        compare(path, _settings(path) or {}, settings)
        parts.append(path)
        last = round(max(times) / time_base)
        frames += len(times)
    for number, path in enumerate(parts, 1):  # close the gaps that empty parts left
        parts[number - 1] = path.rename(part_path(output, number))
    return Progress(parts, last, frames)


def part_packets(path: Path) -> Iterator[Any]:
    """The encoded pictures of a part, as far as its groups are whole."""
    av = import_av()
    whole = _whole_bytes(path)
    if not whole:
        return
    try:
        with open_input(path) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is not None and packet.pos is not None and packet.pos + packet.size <= whole:
                    yield packet
    except (av.error.InvalidDataError, av.error.EOFError, IndexError):
        return  # its end is torn


def _whole_bytes(path: Path) -> int:
    """The end of an MP4's last whole group of pictures: boxes have their length in front."""
    size, position, whole, header_seen = path.stat().st_size, 0, 0, False
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1 and position + 16 <= size:
                (length,) = struct.unpack(">Q", file.read(8))
            if length < 8 or position + length > size:
                break
            position += length
            header_seen = header_seen or kind == b"moov"
            if kind in (b"mdat", b"moov"):
                whole = position
    return whole if header_seen else 0


def _settings(path: Path) -> Settings | None:
    """The settings in a part; None for a file that says no such thing."""
    with open_input(path) as container:
        return parsed(readable(container.metadata.get("comment", "")))


def _is_ours(path: Path) -> bool:
    """True if a file is a part: empty, torn before its description, or with settings in it."""
    if path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return False
    if not _whole_bytes(path):
        return True
    try:
        return _settings(path) is not None
    except (OSError, ValueError, import_av().error.FFmpegError):
        return False
