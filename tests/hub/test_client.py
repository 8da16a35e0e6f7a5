"""Styles from the hub: addresses, checked downloads, refusals, the cache without a connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import cli
from fastnst.errors import ConfigError, DownloadError
from fastnst.hub import HubAddress, fetch_style, parse_hub_address
from fastnst.runtime.models.style_spec import choose
from tests.conftest import gradient
from tests.hub.loopback import TOKEN, Hub, Repository, running_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, negative_model: Path) -> Iterator[Hub]:
    """A hub that has the style `me/night`."""
    with running_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        running.repositories["me/night"] = Repository()
        running.repositories["me/night"].commit({"README.md": b"# night", "style.onnx": negative_model.read_bytes()})
        yield running


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://me/night", HubAddress("me", "night")),
        ("me/night@v1.0", HubAddress("me", "night", "v1.0")),
        ("hf://a-b/c_d.e@refs/pr/1", HubAddress("a-b", "c_d.e", "refs/pr/1")),
    ],
)
def test_addresses(text: str, address: HubAddress) -> None:
    assert parse_hub_address(text) == address
    assert parse_hub_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["hf://night", "hf://../night", "hf://me/..", "hf://me/../../x", "hf://me/a/b", "hf://me/night@../x", "hf://",
     "hf://me/x y", "hf://me/\x1b[31m", "hf://.me/x", "hf://me/" + "a" * 200, "hf://me/a--b"],
)  # fmt: skip
def test_malicious_names_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not the address of a style"):
        parse_hub_address(text)


def test_a_style_is_fetched_once_and_named_after_its_repository(hub: Hub, negative_model: Path) -> None:
    path = fetch_style(HubAddress("me", "night"))
    assert path.name == "night.onnx"
    assert path.read_bytes() == negative_model.read_bytes()
    assert fetch_style(HubAddress("me", "night")) == path
    assert sum("/resolve/" in asked[1] for asked in hub.asked) == 1
    assert choose("hf://me/night").name == "night"


def test_a_new_commit_is_fetched_and_the_old_one_stays_pinned(hub: Hub) -> None:
    first = fetch_style(HubAddress("me", "night"))
    other = hub.repositories["me/night"].commit({"style.onnx": first.read_bytes() + b""})
    changed = hub.repositories["me/night"].commit({"style.onnx": first.read_bytes()[:-1]})
    second = fetch_style(HubAddress("me", "night"))
    assert second.parent.name == changed
    assert first.parent.name == other
    asked = len(hub.asked)
    assert fetch_style(HubAddress("me", "night", other)) == first  # a commit never changes: nobody is asked
    assert len(hub.asked) == asked


def test_the_command_line_takes_addresses_and_mixes(hub: Hub, tmp_path: Path, negative_model: Path) -> None:
    photo = tmp_path / "a.png"
    Image.fromarray(gradient(40, 50)).save(photo)
    assert cli.main(["stylize", str(photo), "--style", "hf://me/night", "-o", str(tmp_path / "out.png")]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), 255 - gradient(40, 50))
    mix = f"hf://me/night:0.5,{negative_model}:0.5"
    assert cli.main(["stylize", str(photo), "--style", mix, "-o", str(tmp_path / "mix.png")]) == 0


def test_a_broken_download_is_gone_on_with(hub: Hub, negative_model: Path) -> None:
    hub.repositories["me/night"].cut_at = 100
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        fetch_style(HubAddress("me", "night"))
    assert fetch_style(HubAddress("me", "night")).read_bytes() == negative_model.read_bytes()
    assert hub.asked[-1][2].get("Range") == "bytes=100-"


def test_a_wrong_sum_is_refused_and_nothing_is_kept(hub: Hub) -> None:
    hub.repositories["me/night"].wrong_sum = True
    with pytest.raises(DownloadError, match="is not the published file"):
        fetch_style(HubAddress("me", "night"))
    hub.repositories["me/night"].wrong_sum = False
    fetch_style(HubAddress("me", "night"))


def test_without_a_connection_the_cache_serves(hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    path = fetch_style(HubAddress("me", "night"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch_style(HubAddress("me", "night")) == path
    assert "the copy in the cache is used" in caplog.text
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch_style(HubAddress("me", "other"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch_style(HubAddress("me", "night")) == path
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        fetch_style(HubAddress("me", "other"))


def test_gated_and_missing_repositories(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories["me/night"].gated = True
    with pytest.raises(DownloadError, match=r"refuses hf://me/night \(401.*HF_TOKEN"):
        fetch_style(HubAddress("me", "night"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetch_style(HubAddress("me", "night")).is_file()
    with pytest.raises(DownloadError, match="there is no hf://me/other"):
        fetch_style(HubAddress("me", "other"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"README.md": b"x"}, "no .onnx at all"),
        ({"a.onnx": b"x", "b.onnx": b"y"}, "holds no style.onnx"),
        ({"style.onnx": b""}, "is empty"),
        ({"style.onnx": bytes(65 << 20)}, "65 MB, more than the 64"),
    ],
)
def test_repositories_without_a_style(hub: Hub, files: dict[str, bytes], reason: str) -> None:
    hub.repositories["me/odd"] = Repository()
    hub.repositories["me/odd"].commit(files)
    with pytest.raises(DownloadError, match=reason):
        fetch_style(HubAddress("me", "odd"))


@pytest.mark.parametrize(
    "answer", [[], {"sha": 3}, {"sha": "x" * 40, "siblings": []}, {"sha": "0" * 40, "siblings": 1}]
)
def test_answers_that_mean_nothing(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    import http.server
    import json
    import threading

    class Odd(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(DownloadError, match="cannot be read"):
            fetch_style(HubAddress("me", "night"))
    finally:
        server.shutdown()
        server.server_close()
