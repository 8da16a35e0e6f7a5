"""Addresses, indexes, pieces and manifests that are no such thing: one sentence, nothing installed, no hang."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fastnst import cli
from fastnst.download import NETWORK_ERRORS, open_address
from fastnst.errors import ConfigError
from fastnst.hub import HubAddress
from fastnst.runtime.video.join import _moment
from fastnst.sharing.upload import UploadError, upload_repository

STYLE = {"name": "a", "file": "a.onnx", "size": 3, "sha256": "0" * 64}
ADDRESSES = [
    "http://", "http://127.0.0.1:port/", "http://[::1", "http://a b/", "http://x\udce9/", "ftp://x/", "data:,x",
    "file:///dev/zero", "x" * 300, "~nosuchuser/x", "\x1b]0;own\x07", "",
]  # fmt: skip
INDEXES = {
    "broken": "{", "deep": "[" * 100_000, "digits": "9" * 10_000, "number": "3", "bytes": b"\xff\xfe",
    "surrogate": '{"format": "fastnst-styles", "version": 1, "styles": [{"name": "\\ud800"}]}',
    **{
        key: json.dumps({"format": "fastnst-styles", "version": 1, "styles": [{**STYLE, **wrong}]})
        for key, wrong in {
            "path": {"file": "../a.onnx"}, "name": {"name": "../a"}, "huge": {"size": 10**30}, "none": {"size": 0},
            "bool": {"size": True}, "list": {"title": [1]}, "nan": {"n_eq": float("nan")}, "wide": {"n_eq": 10**400},
        }.items()
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNST_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FASTNST_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> bool:
    """Whether a command ends with exit code 2 and one harmless line."""
    code = cli.main(list(argv))
    said = capsys.readouterr()
    return code == 2 and said.out == "" and len(said.err.splitlines()) == 1 and "\x1b" not in said.err


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_are_none(address, capsys):
    assert refused(capsys, "pull", "a", "--from", address)
    assert refused(capsys, "styles", "--from", address)
    with pytest.raises(NETWORK_ERRORS):
        open_address(address)


@pytest.mark.parametrize("endpoint", ["x", "http://", "http://[", "http://a b", "http://127.0.0.1:port", "\x1b"])
def test_a_hub_that_is_nowhere(endpoint, capsys, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert refused(capsys, "pull", "hf://a/b")


class Answers(BaseHTTPRequestHandler):
    """A server that gives one answer to all requests, or sends on to another address."""

    answer = b""
    sends_on_to = ""

    def do_GET(self) -> None:
        self.send_response(302 if self.sends_on_to else 200)
        self.send_header(
            "Location" if self.sends_on_to else "Content-Length", self.sends_on_to or str(len(self.answer))
        )
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def serving(answer: bytes = b"", sends_on_to: str = "") -> Iterator[str]:
    handler = type("Given", (Answers,), {"answer": answer, "sends_on_to": sends_on_to})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("address", ["ftp://127.0.0.1:1/a", "file:///etc/passwd", "data:,x", "x://", "//"])
def test_servers_that_send_on_to_elsewhere(address, capsys, monkeypatch):
    with serving(sends_on_to=address) as url:
        assert refused(capsys, "styles", "--from", url)
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert refused(capsys, "pull", "hf://a/b")
        if address.startswith("ftp"):
            with pytest.raises(NETWORK_ERRORS, match="which is not http or https"):
                open_address(url)


@pytest.mark.parametrize("size", [10**400, -1, 0, True, 1.5, None, "9"])
@pytest.mark.parametrize("name", ["style.onnx", "\ud800.onnx", "../a.onnx", 7])
def test_what_a_hub_says_of_a_file(name, size, capsys, monkeypatch):
    file = {"rfilename": name, "lfs": {"size": size, "sha256": "0" * 64}}
    with serving(json.dumps({"sha": "0" * 40, "siblings": [file]}).encode()) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert refused(capsys, "pull", "hf://a/b")


@pytest.mark.parametrize("endpoint", ["x", "http://", "http://[", "http://127.0.0.1:1", "ftp://x", "http://a b"])
@pytest.mark.parametrize("token", ["hf_x", "hf_\nx"])
def test_a_hub_that_cannot_be_written_to(endpoint, token, tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises((UploadError, ConfigError), match=r"cannot be written|is not an address"):
        upload_repository(tmp_path, HubAddress("me", "x"), private=False, message="x")


@pytest.mark.parametrize(
    "mirror", ["://x", "http://h:port", "http://[", "data:,x", "http://a b", "~nosuchuser", "\udce9"]
)
def test_a_mirror_that_is_nowhere(mirror, capsys, monkeypatch):
    from fastnst.sample import sample_photo

    monkeypatch.setenv("FASTNST_MIRROR", mirror)
    assert refused(capsys, "matte", str(sample_photo()), "-o", "out.png", "--matting", "modnet")


@pytest.mark.parametrize("content", INDEXES.values(), ids=INDEXES)
def test_indexes_that_are_none(content, tmp_path, capsys):
    (tmp_path / "index.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(capsys, "pull", "a", "--from", str(tmp_path))
    assert refused(capsys, "styles", "--from", str(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_an_index_that_is_a_pipe(tmp_path, capsys):
    os.mkfifo(tmp_path / "index.json")
    assert refused(capsys, "pull", "a", "--from", str(tmp_path))


@pytest.mark.parametrize("text", ["1e9999999", "1/0e9", "x", "[1]", "9" * 5000, "-", "nan", "inf", ""])
def test_moments_that_are_none(text):
    with pytest.raises(ValueError, match="is no moment"):
        _moment(text)


def test_moments():
    assert [_moment(text) for text in ("0", 1.5, "-3/4", "1e-05")] == [0, 1.5, -0.75, pytest.approx(1e-5)]


@pytest.mark.parametrize("name", ['a"b', "a\nb", "a\x1b[31m", "ä b"])
def test_names_that_a_server_would_read_as_something_else(name, tmp_path, capsys):
    from fastnst.runtime.models.catalog import resolve_style

    (tmp_path / f"{name}.onnx").write_bytes(resolve_style("the_kiss").read_bytes())
    assert refused(capsys, "triton", f"{name}.onnx", "-o", "repository")
    assert not Path("repository").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_batch_goes_past_pipes_and_a_damaged_manifest_is_told(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    pytest.importorskip("fsspec")
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "a.jpg")
    assert cli.main(["batch", "in", "-o", "out", "--style", "the_kiss", "--workers", "1"]) == 1
    capsys.readouterr()
    (tmp_path / "out" / "_fastnst" / "manifest.parquet").write_bytes(b"PAR1")
    assert refused(capsys, "batch", "in", "-o", "out", "--style", "the_kiss", "--workers", "1")
