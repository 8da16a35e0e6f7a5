"""One way to fetch a file from the network: progress, a checksum, and never half a file in the cache."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastnst.errors import DownloadError
from fastnst.input_files import expanded
from fastnst.progress import progress

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30
# What can go wrong on the way: no connection, no HTTP in the answer, no number where one should be, no URL at all.
NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, OSError, ValueError)


@dataclass(frozen=True)
class RemoteFile:
    """A published file and how to know that it is the right one.

    Attributes:
        url: where its publisher keeps it. The environment variable FASTNST_MIRROR (a URL or a local folder that holds
            files of the same names) takes the place of everything before the file name.
        checksum: `algorithm:hexdigits`; fewer digits than the digest has mean its beginning, as publishers who put
            eight digits of the SHA-256 in the file name give it.
        size: bytes, for the progress bar and the sentence that names the file.
        mirrored: whether FASTNST_MIRROR counts for it.
        token: sent to its publisher as a bearer's, and not on to where that redirects.
        is_exact: whether a file of another size is wrong; of others, up to twice their size is read.
    """

    url: str
    checksum: str
    size: int
    mirrored: bool = True
    token: str | None = None
    is_exact: bool = False

    @property
    def name(self) -> str:
        """The file's name without its path."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def location(self) -> str:
        """The URL to read, with the mirror applied."""
        mirror = os.environ.get("FASTNST_MIRROR") if self.mirrored else None
        if not mirror:
            return self.url
        if "://" not in mirror:
            mirror = Path(os.path.abspath(expanded(mirror))).as_uri()
        return f"{mirror.rstrip('/')}/{self.name}"


def download(file: RemoteFile, target: Path, *, offline_advice: str) -> Path:
    """Fetch `file` to `target`, check it, and return `target`; a rerun goes on where a broken one stopped.

    Args:
        offline_advice: what to do instead, ending the sentence of every error ("or get …").

    Raises `DownloadError` if the file cannot be reached, is cut short, or is not the published one.
    """
    partial = target.with_name(target.name + ".part")
    try:
        _fetch(file, partial)
    except NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"{file.location} cannot be downloaded ({reason})", offline_advice) from error
    algorithm, expected = file.checksum.split(":")
    with partial.open("rb") as stream:
        found = (
            hashlib.file_digest(stream, algorithm).hexdigest()
            if hasattr(hashlib, "file_digest")
            else (hashlib.new(algorithm, stream.read()).hexdigest())
        )
    if not found.startswith(expected):
        partial.unlink()
        raise DownloadError(
            f"{file.location} is not the published file (its {algorithm} is {found[:16]}…, not {expected[:16]}…)",
            f"try again, {offline_advice}",
        )
    partial.replace(target)
    return target


def open_address(request: urllib.request.Request | str) -> Any:
    """The answer to a request over http or https, or a plain file's content as such.

    Raises one of `NETWORK_ERRORS`, also for other protocols and where a server sends on to one, and for pipes and
    devices, which may never end.
    """
    if isinstance(request, str):
        request = urllib.request.Request(request)
    if request.type == "file":
        place = urllib.request.url2pathname(urllib.parse.urlsplit(request.full_url).path)
        if os.path.exists(place) and not os.path.isfile(place):
            raise OSError("it is not a plain file")
    elif request.type not in ("http", "https"):
        raise ValueError(f"{request.type}: is not http or https")
    return urllib.request.build_opener(_OverHTTP).open(request, timeout=_TIMEOUT_SECONDS)


class _OverHTTP(urllib.request.HTTPRedirectHandler):
    """Follows redirections over http and https only; urllib's own would go on over ftp, too."""

    def redirect_request(self, request: Any, answer: Any, code: int, reason: str, headers: Any, url: str) -> Any:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise urllib.error.URLError(f"it is sent on to {url[:100]}, which is not http or https")
        return super().redirect_request(request, answer, code, reason, headers, url)


def _fetch(file: RemoteFile, partial: Path) -> None:
    done = partial.stat().st_size if os.path.exists(partial) else 0
    request = urllib.request.Request(file.location)
    if done and request.type in ("http", "https"):
        request.add_header("Range", f"bytes={done}-")
    if file.token:
        request.add_unredirected_header("Authorization", f"Bearer {file.token}")
    try:
        response = open_address(request)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:  # 416: nothing is left to fetch; the checksum decides whether it is right
            raise
        return
    with response, partial.open("ab" if response.status == 206 else "wb") as out:
        length = int(response.headers.get("Content-Length") or file.size)
        already = done if response.status == 206 else 0
        received = 0
        max_bytes = file.size if file.is_exact else 2 * file.size + _CHUNK_BYTES
        with progress(file.name, already + length, unit="bytes", start=already) as shown:
            while chunk := response.read(_CHUNK_BYTES):
                out.write(chunk)
                received += len(chunk)
                if already + received > max_bytes:
                    raise OSError(f"more than the {file.size} bytes that it should have came")
                shown.advance(len(chunk))
    if received < length and response.headers.get("Content-Length"):
        raise OSError(f"the connection ended after {already + received} of {already + length} bytes")
