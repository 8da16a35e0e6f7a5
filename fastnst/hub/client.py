"""Fetch a style from the hub: revision pinned, size bounded, SHA-256 checked, a broken download gone on with.

Only the hub's public HTTP interface is used, so that the light package needs nothing more. What was fetched stays in
the cache by its commit: `hub/<user>--<name>/<commit>/<name>.onnx`, and a small file says which commit a branch was.
"""

from __future__ import annotations

import json
import logging
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from fastnst.cache import cache_folder, cache_path
from fastnst.download import NETWORK_ERRORS, RemoteFile, download, open_address
from fastnst.errors import ConfigError, DownloadError
from fastnst.hub.address import HubAddress
from fastnst.input_files import expanded

log = logging.getLogger(__name__)

STYLE_FILE = "style.onnx"
MAX_STYLE_BYTES = 64 << 20  # bytes; ours have two million, and nobody should fill a disk with one
_MAX_ANSWER_BYTES = 4 << 20  # bytes of JSON
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_style(address: HubAddress) -> Path:
    """The style model file of a repository, fetched if it is not in the cache yet.

    The file's own contract is not checked here: whoever opens it does that, as for every foreign file.

    Raises `DownloadError` if the hub cannot be reached and nothing is cached, if the repository is missing, private or
    gated, or holds no style, or if what came is not what the hub says it is.
    """
    folder = cache_path() / "hub" / f"{address.user}--{address.name}"
    kept = _kept(folder, address)
    if kept is not None and (address.is_pinned or _is_offline()):
        return kept
    if _is_offline():
        raise DownloadError(f"{address} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it", _advice())
    try:
        commit, name, size, sha256 = _listed(address)
        target = folder / commit / f"{address.name}.onnx"
        if not _is_whole(target, size):
            _fetch(address, commit, name, size, sha256, target)
        _remember(folder, address, commit)
        return target
    except DownloadError as error:
        if kept is None or error.is_refusal:
            raise
        log.warning("%s: the copy in the cache is used.", error.fact)
        return kept


def hub_token() -> str | None:
    """The user's token: $HF_TOKEN, else what `hf auth login` has stored."""
    own = os.environ.get("HF_TOKEN", "").strip()
    if own:
        return own
    home = expanded(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    try:
        text = Path(os.environ.get("HF_TOKEN_PATH", home / "token")).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return text or None


def hub_endpoint() -> str:
    """The hub's address: $HF_ENDPOINT, else the public one. Raises `ConfigError` for what cannot be one."""
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    try:
        urllib.parse.urlsplit(address)
    except ValueError as error:
        raise ConfigError(f"HF_ENDPOINT is '{address}', which is not an address ({error}).") from error
    return address


def _listed(address: HubAddress) -> tuple[str, str, int, str]:
    """Commit, file name, size and SHA-256 of the repository's style."""
    revision = urllib.parse.quote(address.revision, safe="")
    answer = _json(f"/api/models/{address.repository}/revision/{revision}?blobs=true", address)
    commit, files = answer.get("sha"), answer.get("siblings")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit) or not isinstance(files, list):
        raise DownloadError(f"the hub's answer about {address} cannot be read", _advice())
    named = [file for file in files if isinstance(file, dict) and str(file.get("rfilename", "")).endswith(".onnx")]
    chosen = next((file for file in named if file["rfilename"] == STYLE_FILE), named[0] if len(named) == 1 else None)
    if chosen is None:
        there = ", ".join(str(file["rfilename"])[:60] for file in named[:4]) or "no .onnx at all"
        raise DownloadError(
            f"{address} holds no {STYLE_FILE} ({there})", "it is not a style of fastnst.", is_refusal=True
        )
    large = chosen.get("lfs")
    sha256 = large.get("sha256") if isinstance(large, dict) else None
    size = large.get("size") if isinstance(large, dict) else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or type(size) is not int or size < 0:
        raise DownloadError(f"the hub does not say what SHA-256 and size {address}'s style has", _advice())
    if not 0 < size <= MAX_STYLE_BYTES:
        fact = f"has {size >> 20:,} MB, more than the {MAX_STYLE_BYTES >> 20} that are taken" if size else "is empty"
        raise DownloadError(f"the style of {address} {fact}", "it is not a style of fastnst.", is_refusal=True)
    return commit, str(chosen["rfilename"]), size, sha256


def _fetch(address: HubAddress, commit: str, name: str, size: int, sha256: str, target: Path) -> None:
    cache_folder()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{target.parent} cannot be created ({error.strerror})", _advice()) from error
    quoted = "/".join(urllib.parse.quote(part) for part in name.split("/"))
    file = RemoteFile(
        f"{hub_endpoint()}/{address.repository}/resolve/{commit}/{quoted}",
        f"sha256:{sha256}",
        size,
        mirrored=False,
        is_exact=True,
        token=hub_token(),
    )
    download(file, target, offline_advice=_advice())


def _json(path: str, address: HubAddress) -> dict[str, Any]:
    try:
        request = urllib.request.Request(hub_endpoint() + path, headers={"Accept": "application/json"})
        token = hub_token()
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with open_address(request) as response:
            content = response.read(_MAX_ANSWER_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise _refusal(error.code, address) from error
    except NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"{address} cannot be reached ({reason})", _advice()) from error
    try:
        answer = json.loads(content) if len(content) <= _MAX_ANSWER_BYTES else None
    except (ValueError, RecursionError) as error:
        raise DownloadError(f"the hub's answer about {address} cannot be read", _advice()) from error
    if not isinstance(answer, dict):
        raise DownloadError(f"the hub's answer about {address} cannot be read", _advice())
    return answer


def _refusal(code: int, address: HubAddress) -> DownloadError:
    if code in (401, 403):
        return DownloadError(
            f"the hub refuses {address} ({code}: it is private, gated, or does not exist)",
            "accept its terms on its page, and log in with `hf auth login` or set HF_TOKEN.",
            is_refusal=True,
        )
    if code == 404:
        return DownloadError(
            f"there is no {address} on the hub (404)", "check user, name and revision.", is_refusal=True
        )
    return DownloadError(f"the hub cannot give {address} now ({code})", _advice())


def _kept(folder: Path, address: HubAddress) -> Path | None:
    """The file in the cache for this revision, if there is one."""
    commit = address.revision
    if not address.is_pinned:
        try:
            commit = json.loads((folder / "revisions.json").read_text(encoding="utf-8"))[address.revision]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        return None
    path = folder / commit / f"{address.name}.onnx"
    return path if os.path.isfile(path) else None


def _remember(folder: Path, address: HubAddress, commit: str) -> None:
    """Note which commit a branch or tag is, for the times without a connection."""
    note = folder / "revisions.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        known = {}
    known = known if isinstance(known, dict) else {}
    if known.get(address.revision) == commit:
        return
    fresh = note.with_name(f".revisions-{os.getpid()}.json")
    try:
        fresh.write_text(json.dumps({**known, address.revision: commit}), encoding="utf-8")
        fresh.replace(note)
    except OSError:
        fresh.unlink(missing_ok=True)  # the file itself is there; only the way without a connection is lost


def _is_whole(path: Path, size: int) -> bool:
    """True if the cache has the file; its sum was checked before it got this name."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def _advice() -> str:
    return "download style.onnx from its page elsewhere and pass the file, or take a style that ships (fastnst styles)."
