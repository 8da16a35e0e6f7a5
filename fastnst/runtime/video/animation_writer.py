"""Animated pictures out: GIF, WebP and PNG, written as the frames come, with transparency, times and loop count."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fastnst.array_types import UInt8Image
from fastnst.errors import OutputError
from fastnst.runtime.video._pyav import import_av, open_output, reason
from fastnst.runtime.video.animation_files import set_end, set_transparent
from fastnst.runtime.video.types import ClipInfo, Frame


@dataclass(frozen=True)
class _Kind:
    """The settings with which FFmpeg writes a format.

    Attributes:
        muxer, encoder: its names.
        pixels: what the encoder takes.
        tick: the format's unit of time.
        loop: the muxer's option for how often it plays.
        options: the encoder's.
        longest_side: in pixels.
    """

    muxer: str
    encoder: str
    pixels: str
    tick: Fraction
    loop: str
    options: dict[str, str]
    longest_side: int


ANIMATIONS = {
    ".gif": _Kind("gif", "gif", "pal8", Fraction(1, 100), "loop", {}, 65_535),
    ".webp": _Kind("webp", "libwebp_anim", "bgra", Fraction(1, 1000), "loop", {"quality": "90"}, 16_383),
    ".apng": _Kind("apng", "apng", "rgba", Fraction(1, 90000), "plays", {"pred": "mixed"}, 65_535),
}
ANIMATIONS[".png"] = ANIMATIONS[".apng"]
_MIN_TICKS = {"gif": 2}  # browsers show what is shorter for a tenth of a second
_DEFAULT_LAST_SECONDS = Fraction(1, 25)  # for a last frame whose duration nobody knows
_MIN_OPAQUE_ALPHA = 128  # GIF has no half-transparency: alpha from here on is opaque


class AnimationSink:
    """Appends frames to an animation; a GIF or PNG plays at any moment, a WebP when it is closed.

    Args:
        path: where to, in the format of its suffix; must not exist or may be written over.
        info: the clip: size, rate, how often it plays (without end where it does not say).

    Raises `OutputError` if the file cannot be written or the format cannot hold the size.
    """

    def __init__(self, path: Path, info: ClipInfo) -> None:
        self.path, self.frames = path, 0
        self._av = import_av()
        self._kind = ANIMATIONS[path.suffix.lower()]
        self._info = info
        self._last = -1
        self._transparent = False
        self._duration = 1 / info.rate if info.rate else _DEFAULT_LAST_SECONDS
        if max(info.width, info.height) > self._kind.longest_side:
            raise OutputError(
                f"{path} cannot be written: {self._kind.muxer.upper()} holds at most {self._kind.longest_side:,} pixels"
                f" a side, not {info.width}×{info.height}: reduce it with --max-size {self._kind.longest_side}."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._container = open_output(path, self._kind.muxer, self._loops(info.plays or 0))
            self._stream = self._container.add_stream(
                self._kind.encoder, rate=info.rate or 25, options=self._kind.options
            )
            context = self._stream.codec_context
            context.width, context.height, context.pix_fmt = info.width, info.height, self._kind.pixels
            context.time_base = self._stream.time_base = self._kind.tick
            self._graph = self._palettes() if self._kind.pixels == "pal8" else None
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{path} cannot be written ({reason(error)}).") from error

    def add(self, frame: Frame) -> None:
        """Write the next frame."""
        picture = self._av.VideoFrame.from_ndarray(self._layers(frame), format="rgba")
        tick = self._kind.tick
        # Two pictures cannot be shown in one tick: the later one waits for the next.
        self._last = max(self._last + 1, round(frame.time * self._info.time_base / tick))
        self._duration = frame.duration * self._info.time_base if frame.duration else self._duration
        if self._graph is None:
            picture = picture.reformat(format=self._kind.pixels, threads=1)
        else:
            picture = picture.reformat(format="rgb32", threads=1)
            picture.pts, picture.time_base = self._last, tick
            try:
                self._graph.vpush(picture)
                picture = self._graph.vpull()
            except (ValueError, self._av.error.FFmpegError) as error:
                raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error
        picture.pts, picture.time_base = self._last, tick
        picture.duration = self._ticks()
        self._write(picture)
        self.frames += 1

    def close(self) -> None:
        """End the file; one without frames is removed."""
        try:
            if self.frames:
                self._write(None)
            self._container.close()
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error
        finally:
            if not self.frames:
                self.path.unlink(missing_ok=True)
        if self.frames:
            self._correct()

    def _correct(self) -> None:
        """Set what FFmpeg leaves out; a file that a full disk cut short is left to who looks for its end."""
        try:
            set_end(self.path, (self._last + self._ticks()) * self._kind.tick)
            if self._transparent:
                set_transparent(self.path)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error

    def _ticks(self) -> int:
        return max(_MIN_TICKS.get(self._kind.muxer, 1), round(self._duration / self._kind.tick))

    def _write(self, picture: Any) -> None:
        try:
            for packet in self._stream.encode(picture):
                if self._kind.muxer != "webp":  # there all frames are one packet
                    packet.duration = self._ticks()  # only the last one's counts
                self._container.mux(packet)
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error

    def _layers(self, frame: Frame) -> UInt8Image:
        """uint8 `[H, W, 4]`; a GIF's pixels are either there or not, and what is not has one colour."""
        layers = frame.layered
        if layers.shape[2] == 3:
            layers = np.dstack((layers, np.full(layers.shape[:2], 255, np.uint8)))
            return np.ascontiguousarray(layers)
        self._transparent = True
        if self._kind.pixels == "pal8":
            seen = layers[..., 3:] >= _MIN_OPAQUE_ALPHA
            opaque = np.dstack((frame.opaque if frame.alpha is None else frame.shown, np.full(seen.shape, 255)))
            layers = np.where(seen, opaque, 0).astype(np.uint8)
        return np.ascontiguousarray(layers)

    def _loops(self, plays: int) -> dict[str, str]:
        """Number of times it plays: GIF counts repetitions, and -1 writes none; the others plays, 0 without end."""
        if self._kind.muxer == "gif":
            return {"loop": "0" if plays == 0 else "-1" if plays == 1 else str(min(plays - 1, 65_535))}
        options = {self._kind.loop: str(min(plays, 65_535))}
        return options

    def _palettes(self) -> Any:
        """split → palettegen → paletteuse, one palette a frame, so that memory does not grow with the clip."""
        graph = self._av.filter.Graph()
        bgra = self._av.VideoFormat("rgb32")
        size = {"width": self._info.width, "height": self._info.height}
        buffer = graph.add_buffer(**size, format=bgra, time_base=self._kind.tick)
        split, make = graph.add("split"), graph.add("palettegen", stats_mode="single", reserve_transparent="1")
        use = graph.add("paletteuse", new="1", dither="sierra2_4a", alpha_threshold=str(_MIN_OPAQUE_ALPHA))
        sink = graph.add("buffersink")
        buffer.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(make, 1, 0)
        make.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph
