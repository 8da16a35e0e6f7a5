"""Nothing hangs and nothing is lost: failures in every stage, Ctrl-C, kill -9, and going on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fastnst import cli
from fastnst.errors import ClipError, ModelError, OutputError
from fastnst.runtime.video import reader as source
from fastnst.runtime.video import segments as parts
from fastnst.runtime.video import stages as stylist
from fastnst.runtime.video.pipeline import Channel, Pipeline, Stage, Stopped
from tests.runtime.clips import NTSC, make_clip, pictures, probe

_TIMEOUT_SECONDS = 20  # seconds that anything here may take before it counts as hung
# The command with an engine that needs 50 ms a frame, so that there is a middle to be killed in. What is started by a
# shell in the background inherits that Ctrl-C is ignored; here it is not.
_SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from fastnst.runtime.video import stages as stylist
restyle = stylist.FrameStylist.restyle
stylist.FrameStylist.restyle = lambda self, frames: (time.sleep(0.05), restyle(self, frames))[1]
from fastnst import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "in.mp4", frames=180)


def command(model: Path, clip: Path, output: Path, *options: str) -> list[str]:
    return ["stylize", str(clip), "--style", str(model), "-o", str(output), "--provider", "cpu", *options]


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", _SLOW, *arguments], stderr=subprocess.PIPE, env=environment)


def wait_for_frames(path: Path, count: int) -> None:
    until = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < until:
        if path.exists() and sum(1 for _ in parts.part_packets(path)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not get {count} frames")


def check_complete(clip: Path, output: Path) -> None:
    before, after = probe(clip), probe(output)
    assert after.times == before.times
    assert after.rate == NTSC
    assert after.packets["audio"] == before.packets["audio"]
    assert np.abs(pictures(output) - (255 - pictures(clip))).mean() < 6
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_kill_9_leaves_a_clip_that_plays_and_is_gone_on_with(
    capsys, negative_model: Path, clip: Path, tmp_path: Path, codec: str
) -> None:
    output, partial = tmp_path / "out.mp4", tmp_path / "out.partial.mp4"
    arguments = command(negative_model, clip, output, "--codec", codec)
    process = start(arguments)
    wait_for_frames(partial, 60)
    process.kill()
    process.communicate(timeout=_TIMEOUT_SECONDS)
    assert [path.name for path in tmp_path.iterdir()] == [partial.name]
    shown = pictures(partial)
    assert 60 <= len(shown) < 180
    assert np.abs(shown - (255 - pictures(clip)[: len(shown)])).mean() < 6

    assert cli.main(arguments) == 2
    assert "is left from an interrupted run: pass --resume" in capsys.readouterr().err
    assert cli.main([*arguments, "--resume", "--crf", "44"]) == 2
    assert "was begun with crf None, not 44" in capsys.readouterr().err
    assert cli.main([*arguments, "--resume"]) == 0
    assert "of an earlier run" in capsys.readouterr().out
    check_complete(clip, output)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are different there")
def test_ctrl_c_leaves_a_clip_with_sound(capsys, negative_model: Path, clip: Path, tmp_path: Path) -> None:
    output, partial = tmp_path / "out.mp4", tmp_path / "out.partial.mp4"
    arguments = command(negative_model, clip, output)
    process = start(arguments)
    wait_for_frames(partial, 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=_TIMEOUT_SECONDS)
    assert process.returncode == 130
    assert f"interrupted; what is finished plays in {partial}, and --resume goes on" in err.decode()
    kept = probe(partial)
    assert 60 <= len(kept.times["video"]) < 180
    assert abs(kept.times["audio"][-1] - kept.times["video"][-1]) < 0.1
    assert cli.main([*arguments, "--resume"]) == 0
    check_complete(clip, output)


def test_a_torn_end_is_cut_off(negative_model: Path, clip: Path, tmp_path: Path, monkeypatch) -> None:
    """A part that ends in the middle of a write: only whole groups of pictures count."""
    monkeypatch.setattr(stylist.FrameStylist, "restyle", failing(stylist.FrameStylist.restyle, 140, ModelError("stop")))
    output, partial = tmp_path / "out.mp4", tmp_path / "out.partial.mp4"
    monkeypatch.setattr("fastnst.runtime.video.convert._keep", lambda *_: None)  # as if the process were gone
    arguments = command(negative_model, clip, output)
    assert cli.main(arguments) == 2
    monkeypatch.undo()
    content = partial.read_bytes()
    whole = sum(1 for _ in parts.part_packets(partial))
    partial.write_bytes(content[:-2000])
    torn = sum(1 for _ in parts.part_packets(partial))
    assert 0 < torn < whole
    assert torn % 60 == 0  # a group is two seconds
    assert cli.main([*arguments, "--resume"]) == 0
    check_complete(clip, output)


def failing(method, count: int, error: BaseException):
    """`method`, which raises `error` at its call number `count`."""
    calls = [0]

    def wrapped(*arguments, **options):
        calls[0] += 1
        if calls[0] >= count:
            raise error
        return method(*arguments, **options)

    return wrapped


def run_with_limit(arguments: list[str]) -> list[int]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(cli.main(arguments)), daemon=True)
    thread.start()
    thread.join(_TIMEOUT_SECONDS)
    assert not thread.is_alive(), "it hangs"
    return codes


@pytest.mark.parametrize(
    ("where", "name", "error"),
    [
        (source.ToRGB, "__call__", ClipError("the decoder broke.")),
        (stylist.FrameStylist, "restyle", ModelError("the engine broke.")),
        (stylist.FrameStylist, "adjust", ModelError("the finish broke.")),
        (parts.PartWriter, "add", OutputError("the encoder broke.")),
    ],
)
def test_a_failing_stage_ends_all_with_its_message(
    capsys, monkeypatch, negative_model: Path, clip: Path, tmp_path: Path, where, name, error
) -> None:
    monkeypatch.setattr(where, name, failing(getattr(where, name), 100, error))
    output, partial = tmp_path / "out.mp4", tmp_path / "out.partial.mp4"
    arguments = command(negative_model, clip, output, "--smooth")
    assert run_with_limit(arguments) == [2]
    err = capsys.readouterr().err
    assert str(error) in err
    assert f"What is finished plays in {partial}." in err
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastnst")]
    assert 80 <= len(probe(partial).times["video"]) <= 100
    monkeypatch.undo()
    assert run_with_limit([*arguments, "--resume"]) == [0]
    assert probe(output).times == probe(clip).times


def test_a_full_disk_is_one_sentence(capsys, monkeypatch, negative_model: Path, clip: Path, tmp_path: Path) -> None:
    error = OSError(28, "No space left on device")
    monkeypatch.setattr("fastnst.runtime.video.convert.assemble", failing(lambda: None, 1, error))
    assert run_with_limit(command(negative_model, clip, tmp_path / "out.mp4")) == [2]
    err = capsys.readouterr().err
    assert "out.mp4 cannot be written (No space left on device)" in err
    assert len(probe(tmp_path / "out.partial.mp4").times["video"]) == 180
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.partial.mp4"]


def test_the_pipeline_keeps_order_and_bounds_its_memory() -> None:
    alive, most = [0], [0]

    def numbers() -> Iterator[int]:
        for number in range(200):
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            yield number

    collected: list[int] = []

    def slow(number: int) -> None:
        time.sleep(0.001)
        alive[0] -= 1
        collected.append(number)

    stages = [Stage("double", lambda items: [2 * item for item in items], batch=3)]
    run = Pipeline(numbers(), stages, slow, capacity=4).run()
    assert collected == [2 * number for number in range(200)]
    assert run.items == 200
    assert most[0] <= 4 + 3 + 4 + 2


def test_a_stopped_channel_wakes_everyone() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    outcomes: list[str] = []

    def put() -> None:
        try:
            channel.put(2)
        except Stopped:
            outcomes.append("stopped")

    thread = threading.Thread(target=put)
    thread.start()
    time.sleep(0.05)
    channel.stop()
    thread.join(5)
    assert outcomes == ["stopped"]
    with pytest.raises(Stopped):
        next(iter(channel))


def test_a_source_is_closed_when_the_sink_fails() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    def sink(_: int) -> None:
        raise OutputError("the disk is gone.")

    with pytest.raises(OutputError, match="the disk is gone"):
        Pipeline(endless(), [], sink).run()
    assert closed.wait(5)
