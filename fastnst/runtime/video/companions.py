"""Companions of a clip's pictures: its sound and subtitles, as far as a container takes them."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.runtime.video._pyav import import_av
from fastnst.runtime.video.container import open_clip
from fastnst.runtime.video.sound import encoder_title

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_UNPLAYABLE_CODECS = {"mp4": ("pcm", "vorbis")}  # prefixes of names; FFmpeg writes them, players do not find them


@dataclass(frozen=True)
class Companions:
    """The streams that go along with the pictures.

    Attributes:
        path: the source file.
        offset: seconds to take from its times.
        start_cut: whether something before time 0 was cut away.
        end: seconds of the result to stop at, or None.
        copied: the numbers of the source's streams that the container takes as they are.
        encoded: the numbers of those that have to be encoded for it.
    """

    path: Path
    offset: Fraction = Fraction(0)
    start_cut: bool = False
    end: Fraction | None = None
    copied: list[int] = field(default_factory=list)
    encoded: list[int] = field(default_factory=list)

    @property
    def streams(self) -> list[int]:
        """All of them, in the source's order."""
        return sorted((*self.copied, *self.encoded))


def companions(
    path: Path, suffix: str, offset: Fraction, start_cut: bool, end: Fraction | None
) -> tuple[Companions, list[str]]:
    """The part of a clip's sound and subtitles that a container takes, and a sentence for each stream it does not."""
    copied: list[int] = []
    encoded: list[int] = []
    notes: list[str] = []
    kind = FORMATS[suffix]
    with open_clip(path) as container:
        for stream in container.streams:
            if stream.type not in ("audio", "subtitle"):
                continue
            codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
            if stream.codec_context is not None and _fits(stream, kind):
                copied.append(stream.index)
            elif stream.codec_context is not None and stream.type == "audio":
                encoded.append(stream.index)
                notes.append(
                    f"{path}: the {codec} sound was encoded to {encoder_title(kind)}: {suffix} cannot hold it."
                )
            else:
                notes.append(
                    f"{path}: the {codec} {stream.type} stream was left out: {suffix} cannot hold it (.mkv may)."
                )
    return Companions(path, offset, start_cut, end, copied, encoded), notes


def copied_sound(others: Companions | None) -> list[int]:
    """The numbers of the streams of sound that are copied."""
    if others is None:
        return []
    with open_clip(others.path) as container:
        audio = {stream.index for stream in container.streams.audio}
    return [number for number in others.copied if number in audio]


def _fits(stream: Any, kind: str) -> bool:
    """Write a header with the stream into memory: the only sure way to learn what a container takes."""
    if stream.codec_context.name.startswith(_UNPLAYABLE_CODECS.get(kind, ())):
        return False
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
