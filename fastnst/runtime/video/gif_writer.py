"""GIF animations out: a palette of its own for every frame, written as it comes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fastnst.errors import OutputError
from fastnst.runtime.video._pyav import import_av, reason
from fastnst.runtime.video.types import ClipInfo, Frame

_TICK = Fraction(1, 100)  # GIF's only unit of time
_USUAL_DELAY = 4  # hundredths; for a last frame whose duration nobody knows


class GifSink:
    """A GIF that plays at any moment: pictures are appended, times are rounded to hundredths of a second."""

    def __init__(self, path: Path, info: ClipInfo) -> None:
        self.path, self.frames = path, 0
        self._av = import_av()
        self._time_base = info.time_base
        self._last = -1
        self._delay = round(1 / (info.rate * _TICK)) if info.rate else _USUAL_DELAY
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._container = self._av.open(str(path), "w", format="gif", options={"loop": "0"})
            self._stream = self._container.add_stream("gif", rate=info.rate or 25)
            context = self._stream.codec_context
            context.width, context.height, context.pix_fmt = info.width, info.height, "pal8"
            context.time_base = _TICK
            self._graph = self._palettes(info)
        except (OSError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{path} cannot be written ({reason(error)}).") from error

    def add(self, frame: Frame) -> None:
        """Write the next frame."""
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.shown), format="rgb24")
        picture = picture.reformat(format="rgb32", threads=1)
        # GIF cannot show two pictures in one hundredth: the later one waits for the next.
        self._last = max(self._last + 1, round(frame.time * self._time_base / _TICK))
        picture.pts, picture.time_base = self._last, _TICK
        self._delay = round(frame.duration * self._time_base / _TICK) if frame.duration else self._delay
        self._graph.vpush(picture)
        paletted = self._graph.vpull()
        paletted.pts, paletted.time_base = self._last, _TICK
        self._write(paletted)
        self.frames += 1

    def close(self) -> None:
        """End the file; one without frames is removed."""
        try:
            if self.frames:
                self._write(None)
            self._container.close()
        except (OSError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error
        finally:
            if not self.frames:
                self.path.unlink(missing_ok=True)

    def _write(self, picture: Any) -> None:
        try:
            for packet in self._stream.encode(picture):
                packet.duration = max(2, self._delay)  # only the last one's counts; browsers read less than 2 as 10
                self._container.mux(packet)
        except (OSError, self._av.error.FFmpegError) as error:
            raise OutputError(f"{self.path} cannot be written ({reason(error)}).") from error

    def _palettes(self, info: ClipInfo) -> Any:
        """split → palettegen → paletteuse, one palette a frame, so that memory does not grow with the clip."""
        graph = self._av.filter.Graph()
        bgra = self._av.VideoFormat("rgb32")
        buffer = graph.add_buffer(width=info.width, height=info.height, format=bgra, time_base=_TICK)
        split, make = graph.add("split"), graph.add("palettegen", stats_mode="single")
        use, sink = graph.add("paletteuse", new="1", dither="sierra2_4a"), graph.add("buffersink")
        buffer.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(make, 1, 0)
        make.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph
