"""An index of styles for any static host: `index.json`, the model files and a thumbnail of each.

    {"format": "fastnst-styles", "version": 1, "styles": [
      {"name": …, "title": …, "artist": …, "year": …, "movement": …, "licence": …,
       "file": "the_kiss.onnx", "size": 1998000, "sha256": …, "n_eq": 47.0, "thumbnail": "the_kiss.jpg"}]}

Files are named relative to the index. Readers ignore keys that they do not know; another `version` is another format.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fastnst.download import NETWORK_ERRORS, RemoteFile, download, open_address
from fastnst.errors import ConfigError, DownloadError, suggest
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.input_files import expanded
from fastnst.output_files import write_atomically
from fastnst.runtime.models.onnx_metadata import read_description
from fastnst.runtime.stylizer import Stylizer

INDEX_FILE = "index.json"
_FORMAT, _VERSION = "fastnst-styles", 1
_THUMBNAIL_SIZE = 256  # pixels, long side
_MAX_INDEX_BYTES = 8 << 20  # bytes
_MAX_STYLE_BYTES = 64 << 20  # bytes, as for the hub
_MAX_STYLES = 10_000
_MAX_TEXT_CHARACTERS = 500
_FILE = re.compile(r"(?!.*\.\.)[\w][\w.-]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ADVICE = "download the file elsewhere and pass it to --style."


@dataclass(frozen=True)
class IndexedStyle:
    """One style of an index.

    Attributes:
        name: what it is called there.
        title, artist, year, movement, licence: of the painting.
        file, thumbnail: relative to the index; an empty thumbnail is none.
        size: bytes of the file.
        sha256: of the file, 64 hexadecimal digits.
        n_eq: iterations of per-image optimization with the same objective; None if it was not measured.
    """

    name: str
    file: str
    size: int
    sha256: str
    title: str = ""
    artist: str = ""
    year: str = ""
    movement: str = ""
    licence: str = ""
    n_eq: float | None = None
    thumbnail: str = ""


def write_index(
    styles: Mapping[str, Path], photo: Path, folder: Path, *, overwrite: bool = False
) -> list[IndexedStyle]:
    """Copy styles into `folder` with a thumbnail of `photo` each, and write the index last.

    Raises `ModelError` for a file that is not a style, `OutputError` for what exists already or cannot be written.
    """
    picture = open_image(photo, max_size=_THUMBNAIL_SIZE)
    indexed = []
    for name, path in styles.items():
        described = read_description(path)
        file, thumbnail = f"{name}.onnx", f"{name}.jpg"
        with write_atomically(folder / file, overwrite=overwrite) as partial:
            shutil.copyfile(path, partial)
        save_image(Stylizer(path)(picture), folder / thumbnail, overwrite=overwrite, quality=85)
        content = path.read_bytes()
        indexed.append(
            IndexedStyle(
                name,
                file,
                len(content),
                hashlib.sha256(content).hexdigest(),
                described.title,
                described.artist,
                described.year,
                described.movement,
                described.licence,
                described.lbfgs_equivalent,
                thumbnail,
            )
        )
    index = {"format": _FORMAT, "version": _VERSION, "styles": [asdict(style) for style in indexed]}
    with write_atomically(folder / INDEX_FILE, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return indexed


def read_index(url: str) -> list[IndexedStyle]:
    """The styles of an index, by its URL or its folder's.

    Raises `DownloadError` if it cannot be had, `ConfigError` if it is not an index of this version.
    """
    address = index_url(url)
    try:
        with open_address(address) as response:
            content = response.read(_MAX_INDEX_BYTES + 1)
    except NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"{address} cannot be read ({reason})", _ADVICE) from error
    if len(content) > _MAX_INDEX_BYTES:
        raise ConfigError(f"{address} is not an index of styles: it has more than {_MAX_INDEX_BYTES >> 20} MB.")
    return parse_index(content, address)


def parse_index(content: bytes, name: str) -> list[IndexedStyle]:
    """The styles in an index's bytes; raises `ConfigError`, which calls it `name`, for anything else."""
    try:
        index = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is not an index of styles: it is not JSON.") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT or not isinstance(index.get("styles"), list):
        raise ConfigError(f"{name} is not an index of styles.")
    if index.get("version") != _VERSION:
        raise ConfigError(
            f"{name} has the version {str(index.get('version'))[:20]}, this fastnst reads version {_VERSION}."
        )
    if len(index["styles"]) > _MAX_STYLES:
        raise ConfigError(f"{name} names more than {_MAX_STYLES} styles.")
    styles = [_style(entry) for entry in index["styles"]]
    damaged = next((number for number, style in enumerate(styles, 1) if style is None), None)
    if damaged is not None:
        raise ConfigError(f"{name} is damaged: its style number {damaged} is not described as it should be.")
    return [style for style in styles if style is not None]


def fetch_indexed(url: str, name: str, target: Path) -> IndexedStyle:
    """Download a style of an index to `target`, checked by size and SHA-256; returns what the index says of it."""
    styles = {style.name: style for style in read_index(url)}
    if name not in styles:
        known = ", ".join(styles)[:300]
        raise ConfigError(f"{url} has no style '{name[:80]}'.{suggest(name, styles)} It has: {known}.")
    style = styles[name]
    address = urllib.parse.urljoin(index_url(url), urllib.parse.quote(style.file))
    file = RemoteFile(address, f"sha256:{style.sha256}", style.size, mirrored=False, is_exact=True)
    download(file, target, offline_advice=_ADVICE)
    return style


def index_url(url: str) -> str:
    """The URL of the index itself; raises `ConfigError` for what is neither http(s) nor a folder."""
    if "://" not in url:
        folder = expanded(url)
        if not os.path.exists(folder):
            raise ConfigError(f"{url} is neither a URL nor a folder with an {INDEX_FILE}.")
        url = folder.resolve().as_uri()
    elif not url.startswith(("https://", "http://", "file://")):
        raise ConfigError(f"{url} is not an address of http or https.")
    return url if url.endswith(".json") else f"{url.rstrip('/')}/{INDEX_FILE}"


def _style(entry: Any) -> IndexedStyle | None:
    """One checked entry; None if anything is missing, of another type or out of bounds."""
    if not isinstance(entry, dict):
        return None
    known = {field.name for field in fields(IndexedStyle)}
    values = {key: value for key, value in entry.items() if key in known}
    keys = ("name", "file", "sha256", "title", "artist", "year", "movement", "licence", "thumbnail")
    texts = [values.get(key, "") for key in keys]
    if any(not isinstance(text, str) or len(text) > _MAX_TEXT_CHARACTERS for text in texts):
        return None
    size, n_eq = values.get("size"), values.get("n_eq")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= _MAX_STYLE_BYTES:
        return None
    if n_eq is not None and (isinstance(n_eq, bool) or not isinstance(n_eq, int | float) or not 0 <= n_eq < 1e9):
        return None
    names = [values.get("name", ""), values.get("file", ""), values.get("thumbnail") or "none"]
    if not all(_FILE.fullmatch(name) for name in names) or not _SHA256.fullmatch(values.get("sha256", "")):
        return None
    return IndexedStyle(**values)
