"""Read a clip: the frames of its first real video stream with their exact times."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import ClipError, ConfigError
from fastnst.runtime.models.style_model import MIN_SIDE
from fastnst.runtime.video._pyav import import_av, reason
from fastnst.runtime.video.container import (
    MAX_DAMAGED_PACKETS,
    clip_length,
    decoding,
    demuxed,
    first_frame,
    is_transparent,
    open_clip,
    times_may_jump,
    video_stream,
)
from fastnst.runtime.video.deinterlace import Deinterlacer
from fastnst.runtime.video.pixel_formats import ToRGB
from fastnst.runtime.video.timeline import Timeline
from fastnst.runtime.video.types import ClipInfo, Frame

_MAX_UNREPORTED_SECONDS = 0.5  # seconds that may be missing at the end before it is worth a word
_INDEXED = ("mov", "matroska", "asf", "nut", "mxf")  # times that can be sought; elsewhere packets are read through


@dataclass(frozen=True)
class Cut:
    """The part of a clip that is wanted, in seconds from its beginning."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ConfigError(f"start must not be negative, not {float(self.start):g} s.")
        if self.end is not None and self.end <= self.start:
            raise ConfigError(f"end ({float(self.end):g} s) must be later than start ({float(self.start):g} s).")


class VideoSource:
    """A clip in any format that FFmpeg reads, progressive: interlaced pictures are made whole.

    Args:
        path: the file.
        max_size: reduce frames to this long side in pixels.
        cut: the part that is wanted; its first moment becomes time 0.

    Attributes:
        offset: seconds that are taken from all of the file's times, audio's too.
        warnings: sentences about what was met and survived.

    Raises `ClipError` for what is missing, not a clip, without a picture, or ends before `cut.start`.
    """

    def __init__(self, path: Path, max_size: int | None = None, cut: Cut | None = None) -> None:
        self.name = str(path)
        self.warnings: list[str] = []
        self._path, self._cut = path, cut or Cut()
        with open_clip(path) as container:
            stream = video_stream(container, path)
            self._tick = Fraction(stream.time_base)
            first = first_frame(container, stream, path)
            self._to_rgb = ToRGB(first, max_size, transparent=is_transparent(stream))
            self._jumping = times_may_jump(container)
            self._indexed = container.format.name.split(",")[0] in _INDEXED and not self._jumping
            # AVI counts packets, not times: pictures are shown in the order in which they come out of the decoder.
            self._counted = container.format.name == "avi"
            origin = Fraction(container.start_time or 0, 1_000_000) if self._jumping else Fraction(0)
            delay = Fraction(first.dts or 0) * self._tick if self._counted else Fraction(0)
            length = clip_length(container, stream)
            self.info = self._describe(stream, length)
            self._ticks = int(self._tick / self.info.time_base)  # of the result in one of the file
            self._delay = int(delay / self._tick)
            self._offset_ticks = math.ceil((origin + self._cut.start) / self.info.time_base)
            self._natural_end = length
            self._jumps = 0  # met while reading; the file's own length means nothing then
        if min(self._to_rgb.size) < MIN_SIDE:
            raise ClipError(
                f"{path}: frames of {self.info.width}×{self.info.height} pixels are too small:"
                f" {MIN_SIDE}×{MIN_SIDE} is the least."
            )
        if not self._jumping and length is not None and self._cut.start >= length > 0:
            raise self._cut_to_nothing(length)

    @property
    def offset(self) -> Fraction:
        """Seconds taken from the file's times."""
        return self._offset_ticks * self.info.time_base

    @property
    def start_cut(self) -> bool:
        """True if the beginning was cut away."""
        return self._cut.start > 0

    @property
    def is_cut(self) -> bool:
        """True if anything was cut away."""
        return self._cut != Cut()

    @property
    def end(self) -> Fraction | None:
        """The end of the wanted part, in seconds of the result; None for the file's end."""
        return None if self._cut.end is None else self._cut.end - self._cut.start

    def frames(self, after: int | None = None, warm_up: int = 0) -> Iterator[Frame]:
        """The frames of the cut in order of their times.

        Args:
            after: only those later than this many ticks.
            warm_up: give so many of the frames before these, too, if there are any: for what follows frames over time.
                They have the times of before, below zero before the cut.
        """
        after = -1 if after is None else after
        frames = self._since(after, warm_up)
        end = None if self.end is None else self.end / self.info.time_base
        shown: int | None = None
        for frame in frames:
            if end is not None and frame.time >= end:
                break
            if frame.time > after:
                shown = frame.time + (frame.duration or 0)
            yield frame
        if shown is None and after < 0:
            if self.start_cut:
                raise self._cut_to_nothing(self._natural_end)
            return
        if end is None and shown is not None:
            self._note_early_end(float(shown * self.info.time_base + self._cut.start))

    def _since(self, after: int, warm_up: int) -> Iterator[Frame]:
        """Frames later than `after`, and about `warm_up` of those before."""
        frame_seconds = 1 / (self.info.rate or Fraction(25))
        earliest = after - warm_up * frame_seconds / self.info.time_base
        position = None
        if after >= 0 or self.start_cut:  # with a neighbour more, for the deinterlacer
            seconds = (earliest + self._offset_ticks) * self.info.time_base - 2 * frame_seconds
            position = math.floor(seconds / self._tick) if seconds > 0 else None
        return (frame for frame in self._from(position) if frame.time > earliest)

    def _note_early_end(self, shown: float) -> None:
        end = self._natural_end
        if end is not None and not self._jumps and shown < end - max(_MAX_UNREPORTED_SECONDS, 0.02 * end):
            self._warn(f"{self.name} ends at {shown:.2f} s of {end:.2f} s: it is cut short.")

    def _cut_to_nothing(self, length: float | None) -> ClipError:
        how_long = f" is {length:.2f} s long" if length is not None and not self._jumping else " ends earlier"
        return ClipError(f"{self.name}{how_long}: --start {float(self._cut.start):g} leaves nothing of it.")

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _from(self, position: int | None) -> Generator[Frame, None, None]:
        """Frames of the whole file, or from a key frame at or before `position` (the stream's own ticks)."""
        if position is not None and self._indexed:
            frames = self._read(position, 0)
            first = next(frames, None)
            if first is not None and first.time + self._offset_ticks <= position * self._ticks:
                yield first
                yield from frames
                return
            frames.close()  # the index led too far: read from the beginning
        skipped = self._packets_before(position) if position is not None and not self._indexed else 0
        yield from self._read(None, skipped)

    def _packets_before(self, position: int) -> int:
        """Number of packets before the last key frame that is shown at or before `position`."""
        before = 0
        with open_clip(self._path) as container:
            video = video_stream(container, self._path)
            timeline = Timeline(forward=self._jumping)
            for number, packet in enumerate(timeline.packets(demuxed(container, self.name))):
                if packet.stream.index != video.index or packet.dts is None:
                    continue
                time = packet.dts if self._counted else (packet.pts if packet.pts is not None else packet.dts)
                if packet.dts > position:
                    break
                if packet.is_keyframe and time <= position:
                    before = number
        return before

    def _read(self, position: int | None, skipped: int) -> Generator[Frame, None, None]:
        """Frames from a place that is sought, or after so many packets."""
        deinterlacer = Deinterlacer()
        with open_clip(self._path) as container:
            stream = video_stream(container, self._path)
            stream.thread_type = "AUTO"
            if position is not None:
                container.seek(position, stream=stream, backward=True)
            last: int | None = None
            for frame in deinterlacer.frames(self._decoded(container, stream, skipped, position is None)):
                time = self._time_of(frame)
                usual = frame.duration or (int(1 / (self.info.rate * self._tick)) if self.info.rate else 1)
                if last is not None and (time is None or time <= last):
                    time = last + max(1, usual) if time is None else last + 1
                last = time = time or 0
                shown, duration = self._exact(time, frame.duration)
                rgb, alpha = self._to_rgb.layers(frame)
                yield Frame(shown - self._offset_ticks, duration, rgb, alpha=alpha)
                if deinterlacer.used:
                    self._warn(f"{self.name} is interlaced: its pictures were made whole (bwdif).")

    def _time_of(self, frame: Any) -> int | None:
        """Time at which a frame is shown, in ticks of the file; None if the file does not say."""
        if self._counted:
            return frame.dts - self._delay if frame.dts is not None else None
        time: int | None = frame.pts if frame.pts is not None else frame.dts
        return time

    def _exact(self, time: int, duration: int) -> tuple[int, int | None]:
        """Time and duration in ticks of the result.

        Matroska rounds to milliseconds: where the exact rate says what a time was before it was rounded, it is
        restored, so that 29.97 stays 29.97.
        """
        ticks = time * self._ticks
        if self._ticks == 1 or not self.info.rate:
            return ticks, duration * self._ticks or None
        usual = 1 / (self.info.rate * self.info.time_base)
        nearest = round(round(ticks / usual) * usual)
        if 2 * abs(nearest - ticks) > self._ticks + 1:
            return ticks, duration * self._ticks or None
        return nearest, round(usual) if abs(duration * self._ticks - usual) <= self._ticks else duration * self._ticks

    def _decoded(self, container: Any, stream: Any, skipped: int, whole: bool) -> Iterator[Any]:
        """Frames of FFmpeg; damaged packets are left out and counted, a failing disk or line is an error."""
        av = import_av()
        damaged, decode = 0, decoding(stream)
        packets = demuxed(container, self.name)
        timeline = Timeline(forward=self._jumping)
        timed = timeline.packets(packets) if whole else packets
        for number, packet in enumerate(timed):
            if number < skipped or packet.stream.index != stream.index:
                continue
            self._jumps = timeline.jumps
            try:
                yield from decode(packet)
            except (av.error.InvalidDataError, av.error.EOFError):
                damaged += 1
                if damaged > MAX_DAMAGED_PACKETS:
                    raise ClipError(
                        f"{self.name} is damaged: more than {MAX_DAMAGED_PACKETS} of its packets cannot be read."
                    ) from None
            except av.error.FFmpegError as error:
                raise ClipError(f"{self.name} cannot be read on ({reason(error)}).") from error
        if damaged:
            self._warn(f"{self.name} is damaged: {damaged} of its packets were left out.")

    def _describe(self, stream: Any, length: float | None) -> ClipInfo:
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        if self._to_rgb.turns % 2:
            aspect = 1 / aspect
        if length is not None:
            stop = length if self._cut.end is None else min(length, float(self._cut.end))
            length = max(0.0, stop - float(self._cut.start))
        rate = Fraction(stream.average_rate or stream.guessed_rate or 0) or None
        return ClipInfo(
            *self._to_rgb.size,
            time_base=_time_base(self._tick, rate),
            rate=rate,
            duration=length,
            sample_aspect=aspect if aspect != 1 else None,
            colors=self._to_rgb.colors,
        )


def _time_base(tick: Fraction, rate: Fraction | None) -> Fraction:
    """The file's own tick, or a finer one where that is a millisecond and the rate is a standard one."""
    if tick != Fraction(1, 1000) or rate is None or rate.denominator not in (1, 1001) or rate > 1000:
        return tick
    return Fraction(1, math.lcm(rate.numerator, 1000))
