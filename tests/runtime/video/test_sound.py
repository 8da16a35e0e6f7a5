"""Sound that a container cannot hold is encoded, in step, and said; what cannot be copied never costs the pictures."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fastnst.runtime.video import muxer
from tests.runtime.clips import make_clip, pictures, probe, stylize

_RATE = 48000


def clicking(path: Path, codec: str, pictures_codec: str = "libx264", *, beginning: float = 0.0) -> Path:
    """A clip of two seconds whose sound clicks at every half second from 0.25 s on."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(pictures_codec, rate=Fraction(20))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = container.add_stream(codec, rate=_RATE)
        audio.layout = "mono"
        if codec == "wmav2":
            audio.codec_context.bit_rate = 96_000
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * index, np.uint8)).reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 20)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        wave = np.zeros(2 * _RATE, np.float32)
        for second in np.arange(0.25, 2, 0.5):
            wave[int(second * _RATE) :][:200] = 0.8
        kind = audio.codec_context.format.name
        for start in range(0, len(wave), audio.codec_context.frame_size or 1024):
            piece = wave[start : start + (audio.codec_context.frame_size or 1024)]
            values = (piece * 32767).astype(np.int16) if kind.startswith("s16") else piece
            frame = av.AudioFrame.from_ndarray(values[None], format=kind, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = _RATE, start, Fraction(1, _RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def clicks(path: Path) -> list[float]:
    """Seconds at which clicks begin, from the first picture on."""
    found: list[float] = []
    with av.open(str(path)) as container:
        first = min(
            float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts is not None
        )
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", _RATE)
        end = 0.0
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                start = float(piece.pts * piece.time_base) if piece.pts is not None else end
                loud = np.nonzero(np.abs(piece.to_ndarray()[0]) > 0.3)[0]
                found += [start + index / _RATE for index in loud]
                end = start + piece.samples / _RATE
    return [
        round(time - first, 3) for number, time in enumerate(found) if number == 0 or time - found[number - 1] > 0.1
    ]


@pytest.mark.parametrize(
    ("source", "codec", "pictures_codec", "output", "encoded"),
    [
        ("in.mov", "pcm_s16le", "libx264", "out.mp4", "aac"),
        ("in.wmv", "wmav2", "msmpeg4v3", "out.mp4", "aac"),
        ("in.mov", "pcm_s16le", "libx264", "out.webm", "opus"),
    ],
)
def test_what_a_container_cannot_hold_is_encoded_in_step(
    negative_model: Path,
    tmp_path: Path,
    capsys,
    source: str,
    codec: str,
    pictures_codec: str,
    output: str,
    encoded: str,
) -> None:
    clip = clicking(tmp_path / source, codec, pictures_codec)
    options = ["--codec", "av1"] if output.endswith("webm") else []
    assert stylize(negative_model, clip, tmp_path / output, *options) == 0
    into = {"aac": "AAC", "opus": "Opus"}[encoded]
    assert f"the {codec} sound was encoded to {into}: .{output.split('.')[1]} cannot hold it" in capsys.readouterr().err
    with av.open(str(tmp_path / output)) as container:
        assert container.streams.audio[0].codec_context.name == encoded
    assert len(probe(tmp_path / output).times["video"]) == 40
    assert clicks(tmp_path / output) == pytest.approx(clicks(clip), abs=0.003)


def test_encoded_sound_is_cut_with_the_pictures(negative_model: Path, tmp_path: Path) -> None:
    clip = clicking(tmp_path / "in.mov", "pcm_s16le")
    assert stylize(negative_model, clip, tmp_path / "out.mp4", "--start", "0.6", "--end", "1.6") == 0
    assert clicks(tmp_path / "out.mp4") == pytest.approx([0.15, 0.65], abs=0.003)


def test_what_it_can_hold_is_copied(negative_model: Path, tmp_path: Path, capsys) -> None:
    clip = clicking(tmp_path / "in.mov", "pcm_s16le")
    assert stylize(negative_model, clip, tmp_path / "out.mov") == 0
    assert b"".join(probe(tmp_path / "out.mov").packets["audio"]) == b"".join(probe(clip).packets["audio"])
    assert "encoded" not in capsys.readouterr().err


def failing(times: int, assemble: Callable[..., None]) -> Callable[..., None]:
    """`_assemble` that fails while there is sound, so many times."""
    calls = [0]

    def wrapped(parts: Any, output: Path, others: Any, comment: Any) -> None:
        calls[0] += 1
        if others is not None and calls[0] <= times:
            raise ValueError("times do not rise")
        assemble(parts, output, others, comment)

    return wrapped


@pytest.mark.parametrize(("times", "told", "sound"), [(1, "encoded anew", True), (2, "left out", False)])
def test_the_pictures_are_kept_whatever_the_sound_does(
    negative_model: Path, tmp_path: Path, monkeypatch, capsys, times: int, told: str, sound: bool
) -> None:
    clip = make_clip(tmp_path / "in.mp4")
    monkeypatch.setattr(muxer, "_assemble", failing(times, muxer._assemble))
    assert stylize(negative_model, clip, tmp_path / "out.mp4", "--crf", 5) == 0
    assert f"the sound was {told}" in capsys.readouterr().err
    assert ("audio" in probe(tmp_path / "out.mp4").times) == sound
    assert np.abs(pictures(tmp_path / "out.mp4") - (255 - pictures(clip))).mean() < 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


@pytest.mark.parametrize(("channels", "layout"), [(1, "mono"), (2, "stereo"), (6, "5.1")])
def test_channels_of_which_the_file_does_not_say_the_places_are_kept(
    negative_model: Path, tmp_path: Path, channels: int, layout: str
) -> None:
    """Matroska names no places of PCM's channels; six of them became two, one became two."""
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        video = container.add_stream("mpeg4", rate=Fraction(20))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = container.add_stream("pcm_s16le", rate=_RATE)
        audio.layout = layout
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8)).reformat(format="yuv420p")
        for index in range(10):
            frame.pts, frame.time_base = index, Fraction(1, 20)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        values = np.zeros((_RATE // 2, channels), np.int16)
        values[:, -1] = 8000 * np.sin(np.arange(_RATE // 2) / 20)
        sound = av.AudioFrame.from_ndarray(values.reshape(1, -1), format="s16", layout=layout)
        sound.sample_rate, sound.pts = _RATE, 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode())
    assert stylize(negative_model, tmp_path / "in.mkv", tmp_path / "out.mp4") == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].layout.name == layout
        loudness = np.max([np.abs(frame.to_ndarray()).max(1) for frame in container.decode(audio=0)], 0)
    assert loudness.argmax() == channels - 1
