"""Times that jump: joined recordings and streams that began anew."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fastnst.errors import ModelError
from fastnst.runtime.video.stages import FrameStylist
from fastnst.runtime.video.timeline import Timeline
from tests.runtime.clips import make_clip, pictures, probe, stylize

RATE = Fraction(10)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of one second, joined with `cat`."""
    folder = tmp_path_factory.mktemp("joined")
    content = make_clip(folder / "one.ts", frames=10, rate=RATE, crf=5).read_bytes()
    (folder / "three.ts").write_bytes(content * 3)
    return folder / "three.ts"


def steps(times: list[Fraction]) -> set[float]:
    return {round(float(after - before), 3) for before, after in itertools.pairwise(times)}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_recordings_go_on(negative_model: Path, joined: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    assert stylize(negative_model, joined, output, "--crf", 5) == 0
    times = probe(output).times
    assert len(times["video"]) == 30
    assert steps(times["video"]) == {0.1}
    assert abs(times["audio"][-1] - times["video"][-1]) < 0.15
    assert max(steps(times["audio"])) < 0.03
    assert np.abs(pictures(output) - (255 - pictures(joined))).mean() < 4


def test_each_recording_s_sound_stays_with_its_pictures(negative_model: Path, joined: Path, tmp_path: Path) -> None:
    """The first packet of sound that is kept of each recording has the distance to its first picture that it had."""
    assert stylize(negative_model, joined, tmp_path / "out.mp4") == 0
    one, all_three = probe(joined.parent / "one.ts"), probe(tmp_path / "out.mp4")
    pace = one.times["video"][0]
    packets = [packet[7:] for packet in one.packets["audio"]]  # MP4 has no headers of ADTS
    sound = list(zip(all_three.times["audio"], all_three.packets["audio"], strict=True))
    for number in range(3):
        start = all_three.times["video"][10 * number]
        inside = [(time, packet) for time, packet in sound if start + Fraction(1, 10) < time < start + Fraction(8, 10)]
        assert len(inside) > 25
        for time, packet in inside:
            original = [one.times["audio"][index] - pace for index, known in enumerate(packets) if known == packet]
            assert min(abs(float(time - start - at)) for at in original) < 0.002


@pytest.mark.parametrize("stop", [8, 15, 24])
def test_they_are_gone_on_with(
    negative_model: Path, joined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    assert stylize(negative_model, joined, tmp_path / "whole.mp4") == 0
    restyle, calls = FrameStylist.restyle, [0]

    def failing(self: FrameStylist, frames: list[Any]) -> list[Any]:
        calls[0] += 1
        if calls[0] > stop:
            raise ModelError("stop.")
        return restyle(self, frames)

    with monkeypatch.context() as patch:
        patch.setattr(FrameStylist, "restyle", failing)
        assert stylize(negative_model, joined, tmp_path / "out.mp4") == 2
    assert stylize(negative_model, joined, tmp_path / "out.mp4", "--resume") == 0
    whole, resumed = probe(tmp_path / "whole.mp4"), probe(tmp_path / "out.mp4")
    assert resumed.times == whole.times
    assert resumed.packets["audio"] == whole.packets["audio"]


def test_a_cut_of_joined_recordings(negative_model: Path, joined: Path, tmp_path: Path) -> None:
    options = ("--start", "1.5", "--end", "2.5", "--crf", 5)
    assert stylize(negative_model, joined, tmp_path / "out.mp4", *options) == 0
    expected = 255 - pictures(joined)[15:25]
    assert np.abs(pictures(tmp_path / "out.mp4") - expected).mean() < 4


def test_a_start_after_the_end_is_reported(negative_model: Path, joined: Path, tmp_path: Path, capsys) -> None:
    assert stylize(negative_model, joined, tmp_path / "out.mp4", "--start", "9") == 2
    assert "--start 9 leaves nothing of it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_length_that_jumping_times_seem_to_have_is_no_early_end(
    negative_model: Path, joined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording that began hours after the one it is joined to."""
    one = make_clip(tmp_path / "one.ts", frames=10, rate=RATE, sound=None)
    with av.open(str(one)) as source, av.open(str(tmp_path / "late.ts"), "w") as late:
        stream = late.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.pts, packet.dts = packet.pts + 90_000 * 3600, packet.dts + 90_000 * 3600
                packet.stream = stream
                late.mux(packet)
    (tmp_path / "in.ts").write_bytes((tmp_path / "late.ts").read_bytes() + one.read_bytes())
    assert stylize(negative_model, tmp_path / "in.ts", tmp_path / "out.mp4") == 0
    assert len(probe(tmp_path / "out.mp4").times["video"]) == 20
    assert "cut short" not in capsys.readouterr().err


def test_an_avi_with_pictures_encoded_ahead_begins_at_its_first(negative_model: Path, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.avi", codec="libx264", sound="mp2", rate=RATE, crf=5)
    assert stylize(negative_model, source, tmp_path / "out.mp4", "--crf", 5) == 0
    assert [float(time * RATE) for time in probe(tmp_path / "out.mp4").times["video"]] == list(range(24))
    assert np.abs(pictures(tmp_path / "out.mp4") - (255 - pictures(source))).mean() < 4


@dataclass
class _Stream:
    index: int
    type: str


@dataclass
class _Packet:
    stream: _Stream
    dts: int | None
    duration: int = 10
    pts: int | None = None
    time_base: Fraction = field(default_factory=lambda: Fraction(1, 100))

    def __post_init__(self) -> None:
        self.pts = self.dts if self.pts is None else self.pts


VIDEO, AUDIO = _Stream(0, "video"), _Stream(1, "audio")


def times(packets: list[_Packet], *, forward: bool = True) -> dict[str, list[int | None]]:
    found: dict[str, list[int | None]] = {"video": [], "audio": []}
    for packet in Timeline(forward=forward).packets(packets):
        found[packet.stream.type].append(packet.dts)
    return found


def test_sound_that_jumps_first_waits_for_the_pictures() -> None:
    """The pictures go on without a gap; the sound is moved with them, though it was longer."""
    first = [_Packet(VIDEO, 100), _Packet(AUDIO, 98), _Packet(VIDEO, 110), _Packet(AUDIO, 108), _Packet(AUDIO, 118)]
    again = [_Packet(AUDIO, 0), _Packet(AUDIO, 10), _Packet(VIDEO, 2), _Packet(VIDEO, 12), _Packet(AUDIO, 20)]
    found = times([*first, *again])
    assert found["video"] == [100, 110, 120, 130]
    assert found["audio"] == [98, 108, 118, 118, 128, 138]


@pytest.mark.parametrize("sound_first", [False, True])
@pytest.mark.parametrize("seconds", [3, 20])
def test_a_recording_without_sound_is_not_filled_with_the_next_one_s(seconds: int, sound_first: bool) -> None:
    """Recordings of one second with sound, of some without, and of one with sound again."""
    loud = [packet for at in range(0, 100, 10) for packet in (_Packet(VIDEO, at), _Packet(AUDIO, at))]
    silent = [_Packet(VIDEO, at) for at in range(0, 100 * seconds, 10)]
    again = [packet for at in range(0, 100, 10) for packet in (_Packet(VIDEO, at), _Packet(AUDIO, at))]
    if sound_first:
        again[0], again[1] = again[1], again[0]
    found = times([*loud, *silent, *again])
    start = 100 + 100 * seconds
    assert found["video"] == list(range(0, start + 100, 10))
    assert found["audio"] == [*range(0, 100, 10), *range(start, start + 100, 10)]


def test_sound_that_begins_with_the_second_recording_begins_there() -> None:
    again = [packet for at in range(0, 50, 10) for packet in (_Packet(VIDEO, at), _Packet(AUDIO, at))]
    assert times([*(_Packet(VIDEO, at) for at in range(0, 50, 10)), *again])["audio"] == [50, 60, 70, 80, 90]


def test_a_jump_ahead_is_one_where_times_may_jump_only() -> None:
    packets = [(VIDEO, 0), (AUDIO, 0), (VIDEO, 10), (AUDIO, 10), (VIDEO, 5000), (AUDIO, 5000)]
    assert times([_Packet(*packet) for packet in packets])["video"] == [0, 10, 20]
    assert times([_Packet(*packet) for packet in packets], forward=False)["video"] == [0, 10, 5000]


def test_a_picture_that_stands_long_is_no_jump() -> None:
    packets = [_Packet(VIDEO, 0), *(_Packet(AUDIO, 10 * number) for number in range(300)), _Packet(VIDEO, 2990)]
    assert times(packets)["video"] == [0, 2990]


def test_times_that_fall_by_rounding_are_left_alone() -> None:
    assert times([_Packet(VIDEO, 0), _Packet(VIDEO, 10), _Packet(VIDEO, 9)])["video"] == [0, 10, 9]
