"""Times of a file that jump are made to go on: joined recordings, streams that began anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

_MAX_BACKWARD_SECONDS = Fraction(1, 10)  # seconds that decoding times may fall back before it is a jump
# Seconds ahead of every stream from which on it is a jump, where times may jump (FFmpeg's own measure).
_MAX_FORWARD_SECONDS = 10
_MAX_SAME_JUMP_SECONDS = 10  # seconds within which two streams are taken to have made the same jump
_MAX_APART_SECONDS = 2  # seconds between sound and the pictures beside it in a file
_MAX_HELD_PACKETS = 2000  # packets that wait for the pictures to make the jump that the sound made


@dataclass
class _Stream:
    """One stream's place: seconds where its last packet ended, and which of the file's jumps it has made."""

    pictures: bool
    end: Fraction | None = None
    last: Fraction | None = None
    jumps: int = 0
    held: list[Any] = field(default_factory=list)


class Timeline:
    """Gives the packets of one file, read from its beginning, times that rise.

    A jump moves all streams by the same time, so that sound stays in step. The pictures decide by how much: their next
    one follows their last. Sound that a recording has beyond its pictures then overlaps the next one's; whoever writes
    it leaves that out.

    Args:
        forward: whether times may jump ahead, too (MPEG-TS and its like); elsewhere a gap is a gap.
    """

    def __init__(self, *, forward: bool) -> None:
        self._forward = forward
        self._shifts = [Fraction(0)]  # seconds that are added after so many jumps
        self._streams: dict[int, _Stream] = {}

    @property
    def jumps(self) -> int:
        """Number of jumps in the times so far."""
        return len(self._shifts) - 1

    def packets(self, packets: Iterable[Any]) -> Iterator[Any]:
        """The packets of all streams of pictures and sound, and of others, in the file's order; times are changed."""
        for packet in packets:
            yield from self._next(packet)
        for stream in self._streams.values():  # the pictures never made the jump
            if stream.held:
                yield from self._release(stream, stream.end)

    def _next(self, packet: Any) -> Iterator[Any]:
        kind = packet.stream.type
        if kind not in ("video", "audio") or packet.dts is None:
            self._move(packet, len(self._shifts) - 1 if kind not in ("video", "audio") else self._of(packet).jumps)
            yield packet
            return
        stream = self._of(packet)
        if stream.held:
            stream.held.append(packet)
            if len(stream.held) > _MAX_HELD_PACKETS:
                yield from self._release(stream, stream.end)
            return
        if stream.last is None and not stream.pictures:  # the first recording may have had no sound
            self._follow(stream, packet)
        elif self._jumped(stream, packet):
            if not self._follow(stream, packet):
                if not stream.pictures and any(other.pictures for other in self._streams.values()):
                    stream.held.append(packet)
                    return
                self._jump(stream, packet, stream.end)
            yield from self._placed(stream, packet)
            for other in self._streams.values():
                if other.held and stream.pictures:
                    yield from self._release(other, None)
            return
        yield from self._placed(stream, packet)

    def _jumped(self, stream: _Stream, packet: Any) -> bool:
        if stream.last is None:
            return False
        time = self._time(packet, stream.jumps)
        if time < stream.last - _MAX_BACKWARD_SECONDS:
            return True
        ends = [other.end for other in self._streams.values() if other.end is not None]
        return self._forward and time > max(ends) + _MAX_FORWARD_SECONDS

    def _follow(self, stream: _Stream, packet: Any, within: int = _MAX_APART_SECONDS) -> bool:
        """Make the jump that another stream has made, if this is the one.

        A recording without sound may lie between two that have it: then sound makes several jumps of the pictures at
        once, the last of them being where the packet lies beside them.
        """
        beside = self._pictures_end() if not stream.pictures else None
        if beside is None:
            beside, within = stream.end, _MAX_SAME_JUMP_SECONDS
        known = range(stream.jumps + 1, len(self._shifts))
        if not known or beside is None:
            return False
        nearest = min(known, key=lambda number: abs(self._time(packet, number) - beside))
        if abs(self._time(packet, nearest) - beside) >= within:
            return False
        stream.jumps = nearest
        return True

    def _pictures_end(self) -> Fraction | None:
        return next((one.end for one in self._streams.values() if one.pictures and one.end is not None), None)

    def _jump(self, stream: _Stream, packet: Any, end: Fraction | None) -> None:
        self._shifts.append((end or Fraction(0)) - packet.dts * Fraction(packet.time_base))
        stream.jumps = len(self._shifts) - 1

    def _release(self, stream: _Stream, end: Fraction | None) -> Iterator[Any]:
        """Let held packets go, after the jump that the pictures made, or else at the stream's own `end`."""
        held, stream.held = stream.held, []
        if not self._follow(stream, held[0], _MAX_SAME_JUMP_SECONDS):
            self._jump(stream, held[0], end if end is not None else stream.end)
        yield from self._placed(stream, held[0])
        for packet in held[1:]:
            yield from self._next(packet)

    def _placed(self, stream: _Stream, packet: Any) -> Iterator[Any]:
        self._move(packet, stream.jumps)
        stream.last = packet.dts * Fraction(packet.time_base)
        stream.end = stream.last + (packet.duration or 0) * Fraction(packet.time_base)
        yield packet

    def _move(self, packet: Any, jumps: int) -> None:
        shift = self._shifts[jumps]
        if not shift or packet.time_base is None:
            return
        ticks = round(shift / Fraction(packet.time_base))
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks

    def _time(self, packet: Any, jumps: int) -> Fraction:
        time: Fraction = packet.dts * Fraction(packet.time_base) + self._shifts[jumps]
        return time

    def _of(self, packet: Any) -> _Stream:
        return self._streams.setdefault(packet.stream.index, _Stream(packet.stream.type == "video"))
