"""Long clips in pieces: each is made with `--start` and `--end`, perhaps on another machine, and joined again."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from fastnst.errors import ClipError, ConfigError
from fastnst.output_files import check_output, locked_output, write_atomically
from fastnst.runtime.video._pyav import open_input, readable
from fastnst.runtime.video.companions import FORMATS, companions
from fastnst.runtime.video.container import open_clip
from fastnst.runtime.video.frame_marks import Settings, compare, parsed
from fastnst.runtime.video.muxer import assemble
from fastnst.runtime.video.reader import VideoSource

_PIECE_SUFFIXES = (".mp4", ".m4v", ".mov")  # keep times exactly; the joined clip may be of any kind
_PIECE_SETTINGS = ("start", "end", "offset")  # settings in which pieces differ


@dataclass(frozen=True)
class _Piece:
    """A finished piece and what it says of itself; `start` and `end` as they were asked for."""

    path: Path
    offset: Fraction
    start: Fraction
    end: Fraction | None
    settings: Settings
    encoded: tuple[object, ...]


def describe_piece(source: VideoSource, settings: Settings) -> str:
    """A piece's note for joining: its settings and what was taken from the source's times."""
    return json.dumps({**settings, "offset": str(source.offset)})


def join_clips(pieces: list[Path], source: Path, output: Path, *, overwrite: bool = False) -> list[str]:
    """Join the pieces of a restyled clip, in whatever order they are given, into what one run would have made.

    Nothing is encoded again but sound that the container cannot hold: pictures come from the pieces, sound and
    subtitles from the source in one piece, so that no seam is heard.

    Args:
        pieces: .mp4 or .mov files made of `source` with `--start` and `--end`; each begins where another ends.
        source: the clip that they were made of.
        output: the joined clip.
        overwrite: replace what is there.

    Returns sentences about what was left out or encoded. Raises `ClipError` for a file that is not such a piece,
    `ConfigError` for pieces that do not fit together, `OutputError` if the result cannot be written.
    """
    if output.suffix.lower() not in FORMATS:
        raise ConfigError(f"{output} is not a video: name one of {', '.join(FORMATS)}.")
    check_output(output, overwrite=overwrite, inputs=[*pieces, source])
    ordered = sorted((_read(path) for path in pieces), key=lambda piece: piece.start)
    if not ordered:
        raise ConfigError("there are no pieces to join.")
    for one, other in itertools.pairwise(ordered):
        _check_seam(one, other)
    first, last = ordered[0], ordered[-1]
    clip = VideoSource(source)
    end = None if last.end is None else last.end - first.start
    others, notes = companions(source, output.suffix.lower(), first.offset, first.start > 0, end)
    shifts = [piece.offset - first.offset for piece in ordered]
    with locked_output(output), write_atomically(output, overwrite=overwrite) as partial:
        notes += assemble([piece.path for piece in ordered], partial, others, shifts=shifts)
    return [*notes, *clip.warnings]


def _check_seam(one: _Piece, other: _Piece) -> None:
    shared = {key: value for key, value in one.settings.items() if key not in _PIECE_SETTINGS}
    compare(other.path, other.settings, shared)
    if one.encoded != other.encoded:
        raise ConfigError(f"{one.path} and {other.path} are encoded differently: make them with the same options.")
    if one.end is None or one.end != other.start:
        ends = "its end" if one.end is None else f"{float(one.end):g} s"
        raise ConfigError(
            f"{one.path} goes to {ends} and {other.path} begins at {float(other.start):g} s: pieces must adjoin."
        )


def _moment(value: object) -> Fraction:
    """Seconds as a piece says them; raises `ValueError` for anything else, and for powers of ten that never end."""
    text = str(value)
    if len(text) > 60 or not re.fullmatch(r"-?[0-9]+(\.[0-9]+|/[0-9]+)?(e-[0-9]{1,2})?", text):
        raise ValueError(f"'{text[:60]}' is no moment")
    return Fraction(text)


def _read(path: Path) -> _Piece:
    if path.suffix.lower() not in _PIECE_SUFFIXES:
        raise ClipError(
            f"{path} cannot be joined: pieces are {', '.join(_PIECE_SUFFIXES)} files, which keep times exactly."
        )
    open_clip(path).close()
    with open_input(path) as container:
        settings = parsed(readable(container.metadata.get("comment", "")))
        streams = container.streams.video
        if settings is None or "offset" not in settings or not streams:
            raise ClipError(f"{path} is not a piece that fastnst made with --start or --end.")
        context = streams[0].codec_context
        encoded = (context.name, context.width, context.height, bytes(context.extradata or b""))
    try:
        offset, start = _moment(settings["offset"]), _moment(settings.get("start") or 0)
        end = None if settings.get("end") is None else _moment(settings["end"])
    except (ValueError, ZeroDivisionError) as error:
        raise ClipError(f"{path} does not say which piece it is ({error}).") from error
    return _Piece(path, offset, start, end, settings, encoded)
