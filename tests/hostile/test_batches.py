"""Batches of odd names, damaged tables and shards, and outputs that are somebody else's."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastnst import cli
from fastnst.errors import ConfigError, ImageError, ModelError, OutputError
from fastnst.output_files import FullDiskError, locked_output
from fastnst.scale import BatchOptions, files, local, stylize_dataset
from fastnst.scale.rows import Row, Unreadable, rows
from fastnst.scale.worker import Worker, output_name
from tests.scale.pictures import picture, write_pictures


@pytest.fixture
def options(negative_model: Path) -> BatchOptions:
    return BatchOptions(str(negative_model), provider="cpu", workers=1)


def shard(*names: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = len(picture(number))
            archive.addfile(info, io.BytesIO(picture(number)))
    return content.getvalue()


def with_size(content: bytes, size: bytes) -> bytes:
    """A tar whose first member says that it has another size."""
    header = bytearray(content[:512])
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content[512:]


def with_extension(record: bytes) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    return info.tobuf() + record + bytes(-len(record) % 512) + shard("a.png")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_names_that_are_no_text(tmp_path: Path, options: BatchOptions) -> None:
    write_pictures(tmp_path / "in", 1)
    (tmp_path / "in" / "caf\udce9.png").write_bytes(picture(1))
    assert stylize_dataset(tmp_path / "in", tmp_path / "out", options).made == 2
    assert (tmp_path / "out" / "caf_e9.png").exists()
    assert stylize_dataset(tmp_path / "in", tmp_path / "out", options).kept == 2
    assert output_name("a\x1b]0;b\x9b.png", None) == "a_]0;b_.png"


@pytest.mark.parametrize(
    "content",
    [
        shard("a.png")[:700],
        with_size(shard("a.png"), b"\x80" + b"\xff" * 11),
        with_size(shard("a.png"), b"777777777777"),
        with_extension(b"28 size=99999999999999999999\n"),
        with_extension(b"30 GNU.sparse.map=1,2,3,4,5,x\n"),
    ],
)
def test_damaged_shards_are_lines_of_the_manifest(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    assert any(isinstance(row, Unreadable) for row in rows([str(tmp_path / "x.tar")]))


def test_a_table_with_names_of_wrong_bytes(tmp_path: Path) -> None:
    offsets, text = pa.py_buffer(b"\0\0\0\0\5\0\0\0"), pa.py_buffer(b"\xff\xfe\xfd.j")
    wrong = pa.Array.from_buffers(pa.string(), 1, [None, offsets, text])
    pq.write_table(pa.table({"image": [picture(1)], "path": wrong}), tmp_path / "x.parquet")
    (found,) = rows([str(tmp_path / "x.parquet")])
    assert isinstance(found, Unreadable)
    assert "cannot be read as parquet" in found.reason


def test_links_that_loop_and_lists_with_a_mark(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 1)
    (tmp_path / "in" / "000" / "loop").symlink_to("..")
    assert len(list(rows([str(tmp_path / "in")]))) == 1
    (tmp_path / "list.txt").write_text("\ufeffa.png\r\n", encoding="utf-8")
    assert [row.path for row in rows([str(tmp_path / "list.txt")])] == [str(tmp_path / "a.png")]


def test_names_that_fsspec_reads_as_addresses(
    tmp_path: Path, options: BatchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in" / "zip::c"
    folder.mkdir(parents=True)
    for name in ("a::b.png", "file:x.png", "x*?[1].png", "~.png", "%41.png"):
        (folder / name).write_bytes(picture(1))
    monkeypatch.chdir(folder.parent)
    assert stylize_dataset("zip::c", "../out::1", options).made == 5
    assert (tmp_path / "out::1" / "a__b.png").exists()
    monkeypatch.chdir(folder)
    assert stylize_dataset("a::b.png", tmp_path / "out2", options).made == 1


@pytest.mark.parametrize("address", ["reference://a.png::file://{}/r.json", "reference::file://{}/r.json"])
def test_files_of_references_are_not_followed(tmp_path: Path, options: BatchOptions, address: str) -> None:
    (tmp_path / "secret.png").write_bytes(picture(1))
    (tmp_path / "r.json").write_text(f'{{"a.png": ["file://{tmp_path}/secret.png"]}}')
    (tmp_path / "list.txt").write_text(address.format(tmp_path))
    summary = stylize_dataset(tmp_path / "list.txt", tmp_path / "out", options)
    assert (summary.made, summary.failed) == (0, 1)
    assert "is a file of references to others" in summary.first_failures[0]


def test_lists_that_do_not_end(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.png\n" + bytes(1 << 20))
    found = rows([str(tmp_path / "list.txt")])
    assert next(found) == Row(str(tmp_path / "a.png"), "a.png")
    with pytest.raises(ConfigError, match=r"a line of more than 65,536 bytes"):
        list(found)
    (tmp_path / "list.txt").write_bytes(b"\n".join(b"%07d.png" % number for number in range(20_000)))
    assert len(list(rows([str(tmp_path / "list.txt")]))) == 20_000


def test_servers_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(files, "MAX_PICTURE_BYTES", 5000)

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while self.path == "/endless.png":
                    self.wfile.write(bytes(1000))
                for byte in picture(1):  # in pieces, as they come over a network
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(ImageError, match="more than 5,000 bytes, which is no picture"):
            files.read(f"{address}/endless.png")
        assert files.read(f"{address}/whole.png") == picture(1)
        server.shutdown()


def test_files_with_holes_and_members_of_archives_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_PICTURE_BYTES", 5000)
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"empty.png is empty \(0 bytes\)"):
        files.read(str(tmp_path / "empty.png"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(50_000))
    for address in (str(tmp_path / "a.png"), f"zip://a.png::file://{tmp_path}/a.zip"):
        with pytest.raises(ImageError, match="more than 5,000 bytes, which is no picture"):
            files.read(address)


@pytest.mark.parametrize("address", ["::", "zip://x", "nosuch://x", "http://[::1"])
def test_addresses_that_are_none_cost_one_line(tmp_path: Path, options: BatchOptions, address: str) -> None:
    (tmp_path / "list.txt").write_text(f"{address}\n")
    summary = stylize_dataset(tmp_path / "list.txt", tmp_path / "out", options)
    assert (summary.made, summary.failed) == (0, 1)
    assert summary.first_failures


def test_nobodys_pictures_are_replaced(tmp_path: Path, options: BatchOptions) -> None:
    inside = write_pictures(tmp_path / "own" / "in", 2)
    with pytest.raises(ConfigError, match="lies inside the output"):
        stylize_dataset(inside, tmp_path / "own", options, overwrite=True)
    precious = tmp_path / "out" / "000" / "000000.png"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"precious")
    with pytest.raises(ConfigError, match="holds files that no batch has made"):
        stylize_dataset(inside, tmp_path / "out", options)
    assert precious.read_bytes() == b"precious"
    (inside / "list.txt").write_text("000/000000.png\n")
    before = (inside / "000" / "000000.png").read_bytes()
    with pytest.raises(ConfigError, match="no batch has made"):
        stylize_dataset(inside / "list.txt", inside, options)
    summary = stylize_dataset(inside / "list.txt", inside, options, overwrite=True)
    assert "is this picture itself" in summary.first_failures[0]
    assert (inside / "000" / "000000.png").read_bytes() == before


def test_one_batch_at_a_time(tmp_path: Path, options: BatchOptions) -> None:
    write_pictures(tmp_path / "in", 1)
    with locked_output(tmp_path / "out"), pytest.raises(OutputError, match="by another run"):
        stylize_dataset(tmp_path / "in", tmp_path / "out", options)


def test_failures_are_told(tmp_path: Path, negative_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "in", 14, broken=tuple(range(12)))
    code = cli.main(
        [
            "batch",
            str(tmp_path / "in"),
            "-o",
            str(tmp_path / "out"),
            "--style",
            str(negative_model),
            "--provider",
            "cpu",
        ]
    )
    told = capsys.readouterr().err.splitlines()
    assert code == 1
    assert "000000.png: " in told[0]
    assert told[-1] == "fastnst: … and 2 more failed."


def test_a_full_disk_ends_it_at_once(tmp_path: Path, options: BatchOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "in", 5)
    made = Worker._made

    def full(self: Worker, row: Row) -> tuple[str, bytes]:
        if row.name.endswith("2.png"):
            raise FullDiskError("out/2.png cannot be written (No space left on device).")
        return made(self, row)

    monkeypatch.setattr(Worker, "_made", full)
    with pytest.raises(FullDiskError, match="2 pictures were made; the same command goes on"):
        stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    monkeypatch.undo()
    summary = stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    assert (summary.made, summary.kept) == (3, 2)


def test_a_full_temporary_folder_is_a_full_disk(
    tmp_path: Path, options: BatchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(FullDiskError, match="temporary folder"):
        Worker(options, str(tmp_path / "out"), 1)(Row("a.png", "a.png", picture(1)))


def test_a_fault_of_ours_costs_one_picture(
    tmp_path: Path, options: BatchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "_made", lambda *_: 1 // 0)
    result = Worker(options, str(tmp_path), 1)(Row("a.png", "a.png", picture(1)))
    assert result.error.startswith("unexpected ZeroDivisionError")


def test_a_worker_without_a_style_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    monkeypatch.setattr(local, "_worker", local._worker)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    local._open(BatchOptions(str(junk), provider="cpu"), str(tmp_path), 1)
    with pytest.raises(ModelError, match=r"junk\.onnx"):
        local._make(Row("a.png", "a.png", picture(1)))


@pytest.mark.slow
def test_junk_as_style_with_several_workers_is_one_sentence(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 2)
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    done = subprocess.run(
        [sys.executable, "-m", "fastnst", "batch", "in", "-o", "out", "--style", "junk.onnx", "--workers", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
