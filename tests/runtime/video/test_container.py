"""Files that may be opened as clips, and texts that they may have."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from fastnst import cli
from fastnst.commands.options.video import parse_time
from fastnst.errors import ClipError, ConfigError
from fastnst.runtime.video.container import open_clip
from tests.runtime.clips import make_clip


@pytest.fixture
def visited() -> Iterator[tuple[int, list[int]]]:
    """The port of a server on this machine, and who came."""
    visitors: list[int] = []
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()

        def listen() -> None:
            try:
                while True:
                    guest, address = door.accept()
                    visitors.append(address[1])
                    guest.close()
            except OSError:
                return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield door.getsockname()[1], visitors
        door.shutdown(socket.SHUT_RDWR)
        thread.join(5)


LISTS = {
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
    "local playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n",
    "list of files": "ffconcat version 1.0\nfile {clip}\n",
    "list of addresses": "ffconcat version 1.0\nfile {url}\n",
    "session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".avi"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_clip_names_no_other_place(tmp_path: Path, visited: tuple[int, list[int]], kind: str, suffix: str) -> None:
    port, visitors = visited
    clip = make_clip(tmp_path / "real.ts", frames=2, sound=None)
    path = tmp_path / f"in{suffix}"
    path.write_text(LISTS[kind].format(url=f"http://127.0.0.1:{port}/x.ts", clip=clip))
    with pytest.raises(ClipError, match="is not a clip"):
        open_clip(path)
    assert not visitors


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    for name in ("pipe.mp4", "zero.mp4"):
        with pytest.raises(ClipError, match="is a pipe or a device"):
            open_clip(tmp_path / name)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_titles_of_old_files(negative_model: Path, tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / "plain.mp4", frames=2, sound=None)
    path = tmp_path / f"in.{suffix}"
    with av.open(str(source)) as one, av.open(str(path), "w") as other:
        other.metadata["title"] = "Caf@"
        video = other.add_stream_from_template(one.streams.video[0])
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                other.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"Caf@", "Café".encode("latin-1")))
    arguments = ["stylize", path, "--style", negative_model, "-o", tmp_path / f"out.{suffix}", "--provider", "cpu"]
    assert cli.main([*map(str, arguments)]) == 0
    with av.open(str(tmp_path / f"out.{suffix}")) as container:
        assert container.metadata["title"] == "Café"


@pytest.mark.parametrize(
    "text",
    ["", "x", ":", "1:2:3:4", "-1", "1e9", "1e9999999", "1e400", "1/0", "nan", "9" * 5000, "٥", "1_0", " 1", "0x1"],
)
def test_times_that_mean_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match="must be a time such as"):
        parse_time(text, "start")


def test_times() -> None:
    assert parse_time("12.5", "start") == Fraction(25, 2)
    assert parse_time("1:30", "start") == 90
    assert parse_time("0:01:30.5", "start") == Fraction(181, 2)
    assert parse_time("1001/30", "end") == Fraction(1001, 30)
