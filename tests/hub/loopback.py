"""A small hub on this machine: enough of its HTTP interface to push to and to pull from."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_ours"


@dataclass
class Repository:
    """One repository: its commits, each a dictionary of files; the last one is `main`."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: bool = False
    wrong_sum: bool = False
    cut_at: int | None = None  # bytes after which the next download breaks off, once

    def commit(self, files: dict[str, bytes]) -> str:
        before = next(reversed(self.commits.values()), {})
        merged = {**before, **files}
        name = hashlib.sha1(
            repr(sorted((key, hashlib.sha256(value).hexdigest()) for key, value in merged.items())).encode()
        )
        self.commits[name.hexdigest()] = merged
        return name.hexdigest()


class Hub:
    """State of the server: its repositories, and the requests it got."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}  # uploads by SHA-256
        self.asked: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers
        self.url = ""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """The hub behind a port of 127.0.0.1 until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, content: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _note(self) -> None:
            hub.asked.append((self.command, self.path, dict(self.headers)))

        def do_GET(self) -> None:
            self._note()
            path = self.path.split("?")[0]
            listed = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/revision/([\w.%-]+)", path)
            file = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([\w.]+)/(.+)", path)
            match = listed or file
            repository = hub.repositories.get(match[1]) if match else None
            if match is None or repository is None:
                return self._answer({"error": "Repository not found"}, 404)
            if repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._answer({"error": "gated"}, 401)
            commit = next(reversed(repository.commits)) if match[2] == "main" else match[2]
            files = repository.commits.get(commit)
            if files is None:
                return self._answer({"error": "Revision not found"}, 404)
            if listed:
                return self._answer(
                    {"sha": commit, "siblings": [_sibling(*item, repository) for item in files.items()]}
                )
            return self._send(files[match[3]], repository)

        def _send(self, content: bytes, repository: Repository) -> None:
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            if start and start >= len(content):
                return self._answer(b"", 416)
            part = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if repository.cut_at is not None:
                self.wfile.write(part[: repository.cut_at])
                repository.cut_at = None
                self.wfile.flush()
                self.connection.close()
                return None
            self.wfile.write(part)
            return None

        def do_POST(self) -> None:
            self._note()
            body = self._body()
            if self.path == "/api/validate-yaml":
                return self._answer({"errors": [], "warnings": []})
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._answer({"error": "Invalid username or password."}, 401)
            if self.path == "/api/repos/create":
                wanted = json.loads(body)
                name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
                hub.repositories.setdefault(name, Repository())
                return self._answer({"url": f"{hub.url}/{name}", "name": name, "id": "1"})
            if match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/preupload/main", self.path.split("?")[0]):
                files = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith((".onnx", ".safetensors")) else "regular",
                        "shouldIgnore": False,
                        "oid": None,
                    }
                    for file in json.loads(body)["files"]
                ]
                return self._answer({"files": files})
            if match := re.fullmatch(r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch", self.path):
                objects = [
                    {**one, "actions": {"upload": {"href": f"{hub.url}/upload/{one['oid']}"}}}
                    for one in json.loads(body)["objects"]
                ]
                return self._answer({"transfer": "basic", "objects": objects})
            if match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/commit/main", self.path.split("?")[0]):
                made = hub.repositories[match[1]].commit(_committed(body, hub))
                url = f"{hub.url}/{match[1]}/commit/{made}"
                return self._answer({"success": True, "commitUrl": url, "commitOid": made, "hookOutput": ""})
            return self._answer({"error": f"unexpected {self.path}"}, 404)

        def do_PUT(self) -> None:
            self._note()
            hub.large[self.path.rsplit("/", 1)[-1]] = self._body()
            self._answer(b"")

    return Handler


def _sibling(name: str, content: bytes, repository: Repository) -> dict[str, Any]:
    entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
    if name.endswith((".onnx", ".safetensors")):
        sha256 = "0" * 64 if repository.wrong_sum else hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
    return entry


def _committed(body: bytes, hub: Hub) -> dict[str, bytes]:
    files = {}
    for line in body.splitlines():
        entry = json.loads(line)
        if entry["key"] == "file":
            files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        elif entry["key"] == "lfsFile":
            files[entry["value"]["path"]] = hub.large[entry["value"]["oid"]]
    return files
