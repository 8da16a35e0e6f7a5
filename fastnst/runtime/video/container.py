"""Containers of clips: opened, their streams and packets; what is wrong with one is reported in one sentence."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastnst.errors import ClipError
from fastnst.runtime.video._pyav import import_av, open_input, reason

_DISCONTINUOUS_TIMES = 0x0200  # AVFMT_TS_DISCONT: in MPEG-TS and the like the first time stamp means nothing
MAX_DAMAGED_PACKETS = 1000  # packets
_TRANSPARENT = ("prores", "qtrle", "png", "apng", "ffv1", "utvideo", "magicyuv", "cfhd", "hap")
_WITH_ALPHA_BESIDE = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # a second picture in each packet; and who decodes it


def open_clip(path: Path) -> Any:
    """The opened container; raises `ClipError` in one sentence."""
    av = import_av()
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ClipError(f"{path} cannot be opened ({reason(error)}).") from error
    if stat.S_ISDIR(found.st_mode):
        raise ClipError(f"{path} is a folder where a clip is expected.")
    if not stat.S_ISREG(found.st_mode):
        raise ClipError(f"{path} is a pipe or a device where a clip is expected: name a file.")
    if found.st_size == 0:
        raise ClipError(f"{path} is empty (0 bytes).")
    try:
        return open_input(path)
    except (av.error.InvalidDataError, av.error.EOFError, ValueError) as error:
        raise ClipError(f"{path} is not a clip, or it is damaged or cut short ({reason(error)}).") from error
    except (OSError, av.error.FFmpegError) as error:
        raise ClipError(f"{path} cannot be opened ({reason(error)}).") from error


def times_may_jump(container: Any) -> bool:
    """True if a format's times mean nothing by themselves: they begin anywhere and may begin anew."""
    return bool(int(container.format.flags) & _DISCONTINUOUS_TIMES)


def demuxed(container: Any, name: str) -> Iterator[Any]:
    """All packets in the file's order; damaged ones are passed over, a failing disk or line is a `ClipError`."""
    av = import_av()
    packets, damaged = container.demux(), 0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.InvalidDataError, av.error.EOFError):
            damaged += 1
            if damaged > MAX_DAMAGED_PACKETS:
                raise ClipError(
                    f"{name} is damaged: more than {MAX_DAMAGED_PACKETS} of its packets cannot be read."
                ) from None
            continue
        except av.error.FFmpegError as error:
            raise ClipError(f"{name} cannot be read on ({reason(error)}).") from error
        yield packet


def video_stream(container: Any, path: Path) -> Any:
    """The first stream of moving pictures; a song's cover is none."""
    attached = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC
    streams = [stream for stream in container.streams.video if not int(stream.disposition) & attached]
    if not streams:
        kinds = sorted({"a cover" if stream.type == "video" else stream.type for stream in container.streams})
        raise ClipError(f"{path} has no moving pictures: it holds {' and '.join(kinds) or 'nothing'} only.")
    if streams[0].codec_context is None:
        raise ClipError(f"{path} cannot be read: this PyAV has no decoder for its video.")
    return streams[0]


def is_transparent(stream: Any) -> bool:
    """True if a stream may hold transparency that is meant; elsewhere a fourth channel is often only padding."""
    name = stream.codec_context.name
    return name in _TRANSPARENT or (name in _WITH_ALPHA_BESIDE and _says_alpha(stream))


def decoding(stream: Any) -> Callable[[Any], list[Any]]:
    """What decodes a stream: FFmpeg's choice, but libvpx for transparent VP8 and VP9, whose alpha it alone heeds."""
    av = import_av()
    other = _WITH_ALPHA_BESIDE.get(stream.codec_context.name)
    if other in av.codecs_available and _says_alpha(stream):
        context = av.CodecContext.create(other, "r")
        return lambda packet: list(context.decode(packet))
    return lambda packet: list(packet.decode())


def _says_alpha(stream: Any) -> bool:
    return any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())


def first_frame(container: Any, stream: Any, path: Path) -> Any:
    """The first picture that can be decoded; raises `ClipError` if there is none."""
    av = import_av()
    damaged: BaseException | None = None
    packets, decode = container.demux(stream), decoding(stream)
    while True:
        try:
            frames = decode(next(packets))
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


def clip_length(container: Any, stream: Any) -> float | None:
    """Seconds, as the file says; None if it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None
