"""Serve the page on this machine, and to this machine alone."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from fastnst.errors import ConfigError, FastNSTError
from fastnst.printable import printable
from fastnst.web.site import CONTENT_SECURITY_POLICY, SiteFile

ADDRESS = "127.0.0.1"  # never another: pictures and styles are nobody else's
# Cross-origin isolation (COOP, COEP, CORP) is what browsers ask for before WebAssembly may use threads.
HEADERS = {
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), fullscreen=(self)",
    "Cache-Control": "no-cache",
}


class PageServer(ThreadingHTTPServer):
    """A server of exactly these files on 127.0.0.1.

    Args:
        site: files by address, as of `build_site`.
        port: to listen at; 0 takes a free one.

    Raises `ConfigError` if the port is taken or cannot be used.
    """

    daemon_threads = True

    def __init__(self, site: dict[str, SiteFile], port: int) -> None:
        self.site = site
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise ConfigError(f"port {port} cannot be used ({reason}): name another with --port.") from error

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which a browser may ask: a foreign one means DNS rebinding, another site reading this one."""
        return frozenset(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that a browser closed early."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version = "fastnst"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        # Exactly one Host, and one of ours.
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "this page answers to 127.0.0.1 and localhost only")
            return
        try:
            found = self.server.site.get(unquote(urlsplit(self.path).path).removeprefix("/") or "index.html")
        except ValueError:  # such as http://[
            self.send_error(HTTPStatus.BAD_REQUEST, "this is no address")
            return
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            content = found.read()
        except (FastNSTError, OSError) as error:  # a style whose weights cannot be halved; a file that is gone
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, printable(error))
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", found.mime_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """One plain line, with the connection closed: what else was sent is not read."""
        text = f"{code} {message or HTTPStatus(code).phrase}\n".encode()
        self.close_connection = True
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        if code == HTTPStatus.NOT_IMPLEMENTED:  # what the base class says of POST and other methods
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the terminal is the user's."""
