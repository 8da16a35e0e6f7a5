"""Sound that a container cannot hold, encoded into what it can: AAC, or Opus for WebM."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from fastnst.runtime.video._pyav import import_av

_BITS_PER_CHANNEL = 96_000  # a second; twice what is called transparent for Opus, and good for FFmpeg's AAC
_OPUS_RATE = 48_000
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_NAMES = {"aac": "AAC", "libopus": "Opus"}
_LAYOUTS = ("mono", "stereo", "2.1", "3.0", "quad", "4.0", "5.0", "5.1", "5.0(side)", "5.1(side)", "7.1")
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}  # by their channels
_MAX_DAMAGED_PACKETS = 2000  # damaged packets that are passed over before the sound is given up


class SoundEncoder:
    """Decodes the packets of one stream and encodes them for another container, with their times.

    Gaps in the sound are filled with silence, so that what comes after one stays in step.

    Args:
        result: the container to write to; gets the stream.
        stream: the source's.
        kind: FFmpeg's name of the container.
    """

    def __init__(self, result: Any, stream: Any, kind: str) -> None:
        self._av = import_av()
        context = stream.codec_context
        encoder = encoder_for(kind)
        rate = _OPUS_RATE if encoder == "libopus" else _nearest(context.sample_rate or 48_000)
        layout = context.layout.name if context.layout.name in _LAYOUTS else _usual_layout(context.layout.nb_channels)
        self.stream = result.add_stream(encoder, rate=rate)
        self.stream.codec_context.layout = layout
        channels = self.stream.codec_context.layout.nb_channels
        self.stream.codec_context.bit_rate = _BITS_PER_CHANNEL * channels
        self._format = self.stream.codec_context.codec.audio_formats[0].name
        self._rate, self._layout = rate, layout
        self._graph: Any = None
        self._damaged = 0
        self._end: Fraction | None = None  # seconds where the last frame ended

    def packets(self, packet: Any) -> Iterator[Any]:
        """The encoded packets after one more packet of the source."""
        try:
            frames = packet.decode()
        except (self._av.error.InvalidDataError, self._av.error.EOFError):
            self._damaged += 1
            if self._damaged > _MAX_DAMAGED_PACKETS:
                raise
            return
        for frame in frames:
            tick = Fraction(frame.time_base)
            if frame.pts is None:  # as of WMA: it goes on where the last one ended
                known = self._end if self._end is not None else (packet.pts or 0) * Fraction(packet.time_base or tick)
                frame.pts = round(known / tick)
            self._end = frame.pts * tick + Fraction(frame.samples, frame.sample_rate)
            yield from self._encoded(frame)

    def end(self) -> Iterator[Any]:
        """The packets left inside."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled()
        yield from self.stream.encode(None)

    def _encoded(self, frame: Any) -> Iterator[Any]:
        if self._graph is None:
            self._graph = self._filters(frame)
        self._graph.push(frame)
        yield from self._pulled()

    def _pulled(self) -> Iterator[Any]:
        while True:
            try:
                frame = self._graph.pull()
            except (self._av.error.BlockingIOError, self._av.error.EOFError):
                return
            yield from self.stream.encode(frame)

    def _filters(self, frame: Any) -> Any:
        """Resample, fill gaps, and cut into the encoder's pieces."""
        graph = self._av.filter.Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=Fraction(frame.time_base),
        )
        size = self.stream.codec_context.frame_size or 1024
        resample = graph.add("aresample", f"{self._rate}:async=1:min_hard_comp=0.1")
        shape = graph.add(
            "aformat", f"sample_fmts={self._format}:sample_rates={self._rate}:channel_layouts={self._layout}"
        )
        pieces = graph.add("asetnsamples", f"n={size}:p=0")
        graph.link_nodes(source, resample, shape, pieces, graph.add("abuffersink")).configure()
        return graph


def encoder_for(kind: str) -> str:
    """FFmpeg's encoder for the sound of a container."""
    return "libopus" if kind == "webm" else "aac"


def encoder_title(kind: str) -> str:
    """The encoder's name in a sentence."""
    return _NAMES[encoder_for(kind)]


def _nearest(rate: int) -> int:
    return min(_AAC_RATES, key=lambda known: abs(known - rate))


def _usual_layout(channels: int) -> str:
    """The layout that sound of so many channels has where its file does not say."""
    return _USUAL_LAYOUTS.get(channels, "stereo")
