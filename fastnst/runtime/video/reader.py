"""Read a clip: the frames of its first real video stream with their exact times."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import ClipError, ConfigError
from fastnst.runtime.models.style_model import SMALLEST_SIDE
from fastnst.runtime.video._pyav import import_av, reason
from fastnst.runtime.video.pixel_formats import ToRGB
from fastnst.runtime.video.types import ClipInfo, Frame

_TIMES_JUMP = 0x0200  # AVFMT_TS_DISCONT: in MPEG-TS and the like the first time stamp means nothing
_CUT_SHORT = 0.5  # seconds that may be missing at the end before it is worth a word


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
    """A clip in any format that FFmpeg reads.

    Args:
        path: the file.
        max_size: reduce frames to this long side in pixels.
        cut: the part that is wanted; its first moment becomes time 0.

    Attributes:
        offset: seconds that are taken from all of the file's times, audio's too.
        warnings: sentences about damage that was met and survived.

    Raises `ClipError` for what is missing, no clip, without a picture, or ends before `cut.start`.
    """

    def __init__(self, path: Path, max_size: int | None = None, cut: Cut | None = None) -> None:
        self.name = str(path)
        self.warnings: list[str] = []
        self._path, self._cut = path, cut or Cut()
        with open_clip(path) as container:
            stream = video_stream(container, path)
            self._tick = Fraction(stream.time_base)
            first = _first_frame(container, stream, path)
            self._to_rgb = ToRGB(first, max_size)
            self._format_flags = int(container.format.flags)
            origin = Fraction(container.start_time or 0, 1_000_000) if self._format_flags & _TIMES_JUMP else Fraction(0)
            length = _length(container, stream)
            self.info = self._describe(stream, length)
            self._ticks = int(self._tick / self.info.time_base)  # of the result in one of the file
            self._offset_ticks = math.ceil((origin + self._cut.start) / self._tick) * self._ticks
            self._natural_end = length
        if min(self._to_rgb.size) < SMALLEST_SIDE:
            raise ClipError(
                f"{path}: frames of {self.info.width}×{self.info.height} pixels are too small:"
                f" {SMALLEST_SIDE}×{SMALLEST_SIDE} is the least."
            )
        if length is not None and self._cut.start >= length > 0:
            raise ClipError(f"{path} is {length:.2f} s long: --start {float(self._cut.start):g} leaves nothing of it.")

    @property
    def offset(self) -> Fraction:
        """Seconds taken from the file's times."""
        return self._offset_ticks * self.info.time_base

    @property
    def start_cut(self) -> bool:
        """Whether the beginning was cut away."""
        return self._cut.start > 0

    @property
    def end(self) -> Fraction | None:
        """Where the wanted part ends, in seconds of the result; None for the file's end."""
        return None if self._cut.end is None else self._cut.end - self._cut.start

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """The frames of the cut in order; only those later than `after` ticks, if given."""
        wanted = self._offset_ticks if after is None else after + self._offset_ticks
        seekable = not self._format_flags & _TIMES_JUMP
        if wanted > 0 and seekable and (after is not None or self._cut.start):
            frames = self._from(wanted // self._ticks)
            first = next(frames, None)
            if first is not None and first.time + self._offset_ticks <= wanted:
                yield from self._within((frame for frame in _chain(first, frames)), after)
                return
            frames.close()  # the index led too far: read from the beginning
        yield from self._within(self._from(None), after)

    def _within(self, frames: Iterator[Frame], after: int | None) -> Iterator[Frame]:
        end = None if self.end is None else self.end / self.info.time_base
        seen = False
        for frame in frames:
            if end is not None and frame.time >= end:
                return
            seen = True
            if frame.time >= 0 and (after is None or frame.time > after):
                yield frame
                last = frame
        if seen and end is None and self._natural_end is not None and "last" in locals():
            shown = float((last.time + (last.duration or 0)) * self.info.time_base + self._cut.start)
            if shown < self._natural_end - max(_CUT_SHORT, 0.02 * self._natural_end):
                self.warnings.append(
                    f"{self.name} ends at {shown:.2f} s of {self._natural_end:.2f} s: it is cut short."
                )

    def _from(self, position: int | None) -> Generator[Frame, None, None]:
        """Frames of the whole file, or from the key frame at or before `position` (the stream's own ticks)."""
        with open_clip(self._path) as container:
            stream = video_stream(container, self._path)
            stream.thread_type = "AUTO"
            if position is not None:
                container.seek(position, stream=stream, backward=True)
            last: int | None = None
            for frame in self._decoded(container, stream):
                time = frame.pts if frame.pts is not None else frame.dts
                usual = frame.duration or (int(1 / (self.info.rate * self._tick)) if self.info.rate else 1)
                if last is not None and (time is None or time <= last):
                    time = last + max(1, usual) if time is None else last + 1
                last = time = time or 0
                shown, duration = self._exact(time, frame.duration)
                yield Frame(shown - self._offset_ticks, duration, self._to_rgb(frame))

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

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """Frames of FFmpeg; damaged packets are left out and counted, a failing disk or line is an error."""
        av = import_av()
        damaged = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                yield from packet.decode()
            except StopIteration:
                break
            except (av.error.InvalidDataError, av.error.EOFError):
                damaged += 1
                if damaged > 1000:
                    raise ClipError(f"{self.name} is damaged: more than 1000 of its packets cannot be read.") from None
            except av.error.FFmpegError as error:
                raise ClipError(f"{self.name} cannot be read on ({reason(error)}).") from error
        if damaged:
            self.warnings.append(f"{self.name} is damaged: {damaged} of its packets were left out.")

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


def open_clip(path: Path) -> Any:
    """The opened container; raises `ClipError` in one sentence."""
    av = import_av()
    if path.is_dir():
        raise ClipError(f"{path} is a folder where a clip is expected.")
    try:
        if path.stat().st_size == 0:
            raise ClipError(f"{path} is empty (0 bytes).")
        return av.open(str(path))
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise ClipError(f"{path} is no clip, or it is damaged or cut short ({reason(error)}).") from error
    except (OSError, av.error.FFmpegError) as error:
        raise ClipError(f"{path} cannot be opened ({reason(error)}).") from error


def video_stream(container: Any, path: Path) -> Any:
    """The first stream of moving pictures; a song's cover is none."""
    attached = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC
    streams = [stream for stream in container.streams.video if not int(stream.disposition) & attached]
    if not streams:
        kinds = sorted({stream.type for stream in container.streams})
        raise ClipError(f"{path} has no moving pictures: it holds {' and '.join(kinds) or 'nothing'} only.")
    if streams[0].codec_context is None:
        raise ClipError(f"{path} cannot be read: this PyAV has no decoder for its video.")
    return streams[0]


def _first_frame(container: Any, stream: Any, path: Path) -> Any:
    av = import_av()
    damaged: BaseException | None = None
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            break
        except av.error.FFmpegError as error:
            damaged = error
            if not isinstance(error, av.error.InvalidDataError):
                break
            continue
        if frames:
            return frames[0]
    why = f"damaged ({reason(damaged)})" if damaged else "empty"
    raise ClipError(f"{path} has no frame that can be read: its video is {why}.")


def _length(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None


def _time_base(tick: Fraction, rate: Fraction | None) -> Fraction:
    """The file's own tick, or a finer one where that is a millisecond and the rate is a standard one."""
    if tick != Fraction(1, 1000) or rate is None or rate.denominator not in (1, 1001) or rate > 1000:
        return tick
    return Fraction(1, math.lcm(rate.numerator, 1000))


def _chain(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from rest
