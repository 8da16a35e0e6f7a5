"""PyAV, imported when the first clip is opened; files are opened as plain files of known formats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastnst.errors import MissingDependencyError

# What a clip may be, by FFmpeg's names. Left out: playlists and lists of files (they name other places to read from),
# devices, filter graphs, pictures, and formats of games that nobody restyles but whose readers are rarely looked at.
_INPUT_FORMATS = (
    "mov", "mp4", "m4a", "3gp", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "av1",
    "obu", "ivf", "asf", "flv", "ogg", "yuv4mpegpipe", "nut", "mxf", "gxf", "dv", "rm", "wtv", "vc1", "mjpeg", "h263",
    "mp3", "aac", "wav", "flac", "ac3",  # sound alone: the answer should say so
)  # fmt: skip


def import_av() -> Any:
    """The module `av`, or `MissingDependencyError` with the extra that brings it."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes a page of settings to stderr otherwise
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingDependencyError(f'clips need PyAV ({error}): pip install "fastnst[video]".') from error
    return av


def open_input(path: Path) -> Any:
    """The opened container of a local file; it can name no other file and no address to read from.

    Texts that are not in UTF-8 come with surrogates, see `readable`. Raises FFmpeg's errors.
    """
    av = import_av()
    # Programs of FFmpeg look for streams that begin later in a transport stream, too.
    limits = {"protocol_whitelist": "file", "format_whitelist": ",".join(_INPUT_FORMATS), "scan_all_pmts": "1"}
    # From version 19 on PyAV does that unasked, and cannot be asked.
    surrogates = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "surrogateescape"}
    return av.open(_address(path), options=limits, **surrogates)


def open_output(path: Path, kind: str, options: dict[str, str] | None = None) -> Any:
    """A container to write to. Raises FFmpeg's errors."""
    return import_av().open(_address(path), "w", format=kind, options=options or {})


def readable(text: str) -> str:
    """A text of a container in clean Unicode: what is not UTF-8 is taken as Latin-1, as old files have it.

    >>> readable(b"Caf\\xe9".decode("utf-8", "surrogateescape"))
    'Café'
    """
    if text.isascii():
        return text
    content = text.encode("utf-8", "surrogateescape")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def texts(metadata: dict[str, str]) -> dict[str, str]:
    """A container's or a stream's texts, readable; keys and values that no other container takes are left out."""
    clean = {readable(key): readable(value) for key, value in metadata.items()}
    return {key: value for key, value in clean.items() if "\0" not in key + value}


def reason(error: BaseException) -> str:
    """FFmpeg's message about a failure, without number and file name."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _address(path: Path) -> str:
    """The path as FFmpeg's `file` protocol takes it: a colon in a name means no other protocol then."""
    return f"file:{path}"
