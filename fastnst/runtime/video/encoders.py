"""Choice of an encoder and its settings: the hardware's where it really opens, software otherwise."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fastnst.errors import ConfigError, OutputError, suggest
from fastnst.runtime.video._pyav import import_av, reason
from fastnst.runtime.video.types import ClipInfo

log = logging.getLogger(__name__)

CODECS = ("h264", "hevc", "av1")
ENCODERS = ("auto", "software", "hardware")
_KEY_FRAME_SECONDS = 2  # a key frame every two seconds: what a crash can cost, and how far a player seeks
_SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
_HARDWARE = ("nvenc", "videotoolbox", "qsv", "amf")
_MAX_CRF = {"h264": 51, "hevc": 51, "av1": 63}
# Visually close to each other; strokes are fine detail, so a little finer than the encoders' own defaults.
_CRF = {"h264": 20, "hevc": 23, "av1": 30}
_OPTIONS = {
    "libx264": {"preset": "veryfast"},
    # Closed groups of pictures: a clip that goes on after an interruption is cut between groups.
    "libx265": {"preset": "veryfast", "x265-params": "log-level=none:open-gop=0"},
    "libsvtav1": {"preset": "9"},
    "nvenc": {"preset": "p4", "rc": "vbr"},
}
_QUALITY = {"nvenc": "cq", "qsv": "global_quality", "amf": "qp_i"}  # what --crf is called elsewhere


@dataclass(frozen=True)
class Encoder:
    """An encoder that was seen to open at the clip's size: FFmpeg's name, pixel format, options."""

    name: str
    pixel_format: str
    options: dict[str, str]


def choose_encoder(info: ClipInfo, codec: str = "h264", crf: int | None = None, kind: str = "auto") -> Encoder:
    """The encoder for this clip.

    Args:
        info: its size decides the pixel format: 4:2:0 takes even sides only, so a clip of odd size becomes 4:4:4
            where the codec has that.
        codec: `h264`, `hevc` or `av1`.
        crf: constant quality, 0 is the best; None takes the codec's default.
        kind: `auto` (hardware if it opens, else software), `software` or `hardware`.

    Raises `ConfigError` for an option that means nothing, `OutputError` if nothing opens at this size.
    """
    if codec not in CODECS:
        raise ConfigError(f"unknown codec '{codec}'.{suggest(codec, CODECS)} Choose one of: {', '.join(CODECS)}.")
    if kind not in ENCODERS:
        raise ConfigError(f"unknown encoder '{kind}'.{suggest(kind, ENCODERS)} Choose one of: {', '.join(ENCODERS)}.")
    quality = _CRF[codec] if crf is None else crf
    if not 0 <= quality <= _MAX_CRF[codec]:
        raise ConfigError(f"crf must be between 0 and {_MAX_CRF[codec]} for {codec}, not {crf}.")
    tried: list[str] = []
    for encoder in _candidates(info, codec, quality, kind):
        failure = _try(encoder, info)
        if failure is None:
            return encoder
        tried.append(f"{encoder.name}: {failure}")
    wanted = f"a {kind} encoder" if kind == "hardware" else "an encoder"
    raise OutputError(
        f"{wanted} for {codec} at {info.width}×{info.height} cannot be had ({'; '.join(tried) or 'none is built in'})."
    )


def configure(context: Any, encoder: Encoder, info: ClipInfo) -> None:
    """Set an encoder's context up for a clip."""
    rate = info.rate or Fraction(25)
    context.width, context.height, context.pix_fmt = info.width, info.height, encoder.pixel_format
    context.time_base = info.time_base
    context.framerate = rate
    context.gop_size = max(1, round(rate * _KEY_FRAME_SECONDS))
    if info.sample_aspect:
        context.sample_aspect_ratio = info.sample_aspect
    context.colorspace, context.color_range = info.colors.matrix, 1
    context.color_primaries, context.color_trc = info.colors.primaries, info.colors.transfer
    context.options = dict(encoder.options)


def _candidates(info: ClipInfo, codec: str, quality: int, kind: str) -> list[Encoder]:
    even = info.width % 2 == 0 and info.height % 2 == 0
    found: list[Encoder] = []
    if kind != "software" and even:
        for family in _HARDWARE:
            options = dict(_OPTIONS.get(family, {}))
            if family in _QUALITY:
                options[_QUALITY[family]] = str(quality)
            found.append(Encoder(f"{codec}_{family}", "nv12" if family == "qsv" else "yuv420p", options))
    if kind != "hardware":
        name = _SOFTWARE[codec]
        pixel_format = "yuv420p" if even or codec == "av1" else "yuv444p"
        found.append(Encoder(name, pixel_format, {**_OPTIONS[name], "crf": str(quality)}))
    return found


def _try(encoder: Encoder, info: ClipInfo) -> str | None:
    """Encode one frame: why it fails, or None. FFmpeg lists hardware encoders where there is no such hardware."""
    av = import_av()
    try:
        context = av.CodecContext.create(encoder.name, "w")
        configure(context, encoder, info)
        frame = av.VideoFrame(info.width, info.height, encoder.pixel_format)
        frame.pts, frame.time_base = 0, info.time_base
        context.encode(frame)
        context.encode(None)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        log.debug("%s does not open: %s", encoder.name, error)
        return reason(error)
    return None
