"""The server answers with its files to this machine, and with nothing else to anybody."""

from __future__ import annotations

import http.client
import json

import pytest

from fastnst.errors import ConfigError, ModelError
from fastnst.web.server import PageServer
from fastnst.web.site import SiteFile


def _ask(server: PageServer, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_page_comes_with_headers_for_threads_and_against_strangers(server: PageServer) -> None:
    answer, body = _ask(server, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"<title>fastnst</title>" in body
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "camera=(self)" in answer.headers["Permissions-Policy"]
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert "connect-src 'self'" in policy
    assert "unsafe-inline" not in policy
    # What an exported copy has on a host without headers.
    assert policy.removesuffix("; frame-ancestors 'none'") in body.decode()


def test_what_cannot_be_given_is_told(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> bytes:
        raise ModelError("\x1b.onnx: it holds no weights.")

    monkeypatch.setitem(server.site, "styles/odd.onnx", SiteFile("application/octet-stream", fails))
    answer, body = _ask(server, "/styles/odd.onnx")
    assert (answer.status, body) == (500, b"500 \\x1b.onnx: it holds no weights.\n")
    answer, body = _ask(server, "x://[")
    assert (answer.status, body) == (400, b"400 this is no address\n")


@pytest.mark.parametrize(
    ("path", "mime_type"),
    [
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/ort/ort.wasm.min.mjs", "text/javascript; charset=utf-8"),
        ("/ort/ort-wasm-simd-threaded.wasm", "application/wasm"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/styles/starry_night.onnx?v=1", "application/octet-stream"),
        ("/styles/starry_night.jpg", "image/jpeg"),
        ("/manifest.webmanifest", "application/manifest+json; charset=utf-8"),
    ],
)
def test_each_file_has_its_type(server: PageServer, path: str, mime_type: str) -> None:
    answer, body = _ask(server, path, "HEAD")
    assert (answer.status, answer.headers["Content-Type"], body) == (200, mime_type, b"")
    assert int(answer.headers["Content-Length"]) > 100


@pytest.mark.parametrize(
    "path",
    [
        "/site.py",
        "/__init__.py",
        "/../cli.py",
        "/%2e%2e/cli.py",
        "/styles/../../../pyproject.toml",
        "//etc/passwd",
        "/ort",
        "/ort/",
        "/ort/ort.wasm.min.d.mts",
        "/nothing",
        "/index.html%00",
    ],
)
def test_nothing_else_is_there(server: PageServer, path: str) -> None:
    assert _ask(server, path)[0].status == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:{port}"]
)
def test_a_foreign_host_is_refused(server: PageServer, host: str) -> None:
    answer, body = _ask(server, "/", Host=host.format(port=server.server_port))
    assert answer.status == 421
    assert b"fastnst" not in body


def test_localhost_is_no_stranger(server: PageServer) -> None:
    assert _ask(server, "/", Host=f"localhost:{server.server_port}")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_it_takes_nothing(server: PageServer, method: str) -> None:
    answer, _ = _ask(server, "/", method)
    assert answer.status == 501
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_it_listens_to_this_machine_alone(server: PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_cannot_be_is_one_sentence(port: int) -> None:
    with pytest.raises(ConfigError, match=f"port {port} cannot be used"):
        PageServer({}, port)


def test_a_port_that_is_taken_is_one_sentence(server: PageServer) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        PageServer({}, server.server_port)


def test_the_catalog_names_paintings_and_files_that_are_there(server: PageServer) -> None:
    catalog = json.loads(_ask(server, "/styles.json")[1])
    wave = next(style for style in catalog["styles"] if style["name"] == "great_wave")
    assert (wave["artist"], wave["file"]) == ("Katsushika Hokusai", "styles/great_wave.onnx")
    assert all(address in server.site for address in [*catalog["files"], catalog["matting"], wave["thumbnail"]])
