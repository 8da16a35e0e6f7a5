"""All files of the page by their address: what the server answers with, and what an export writes."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image, ImageChops

from fastnst.errors import ConfigError, ImageError, ModelError
from fastnst.half_weights import halve_weights
from fastnst.images.decode import open_image
from fastnst.runtime.engine.precision import HALF_SUFFIX
from fastnst.runtime.models.catalog import SMALL_SUFFIX, available_styles
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.onnx_metadata import read_description
from fastnst.runtime.portrait.matting_model import resolve_matting_model
from fastnst.sample import sample_photo

log = logging.getLogger(__name__)

PAGE = Path(__file__).resolve().parent
MIME_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# What a browser may load and do here. The page's own <meta> says the same (but for frame-ancestors, which counts in
# headers only), so that an exported copy is as strict on any host.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self';"
    " img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
# The strip beside a style's card: photo, painting, restyled photo in cells of 320 pixels (`fastnst card`).
_STRIP_SIZE = (1012, 372)
_PAINTING_IN_STRIP = (338, 6, 674, 336)
_FRAME = 2  # pixels at a painting's edge that JPEG mixes with what is around
_THUMBNAIL = 192  # pixels


@dataclass(frozen=True)
class SiteFile:
    """One file of the page.

    Attributes:
        mime_type: for the Content-Type header.
        read: its content; made on first use and kept where it is not a file as it is.
    """

    mime_type: str
    read: Callable[[], bytes]


def build_site(styles: Path | None = None) -> dict[str, SiteFile]:
    """The page's files by address, relative and without a leading slash: `index.html`, `styles/starry_night.onnx`, …

    Args:
        styles: a folder of style model files to offer; None offers what `fastnst styles` lists.

    Style model files are offered with weights in half precision. Raises `ConfigError` if there is no style.
    """
    site = {path.relative_to(PAGE).as_posix(): _as_it_is(path) for path in _page_files()}
    site["favicon.ico"] = _as_it_is(PAGE / "icons" / "icon-192.png")  # asked for where no page says otherwise
    site["sample.jpg"] = _as_it_is(sample_photo())
    entries = []
    for name, (path, metadata) in _found_styles(styles).items():
        address = f"styles/{name}.onnx"
        site[address] = SiteFile(MIME_TYPES[".onnx"], _half_copy(path))
        entry = _entry(name, metadata) | {"file": quote(address), "version": _digest(path.read_bytes())}
        thumbnail = _thumbnail(path.with_suffix(".jpg"))
        if thumbnail:
            site[f"styles/{name}.jpg"] = _made(".jpg", thumbnail)
            entry["thumbnail"] = quote(f"styles/{name}.jpg")
        entries.append(entry)
    matting = _matting_model()
    if matting:
        site["matting.onnx"] = _as_it_is(matting)
    catalog = {
        "styles": _with_light_ones(entries),
        "matting": "matting.onnx" if matting else None,
        # What the page keeps for when there is no network; of the styles it takes the files with their versions.
        "files": [address for address in sorted(site) if not address.startswith("styles/")],
    }
    site["styles.json"] = _made(".json", json.dumps(catalog, ensure_ascii=False, indent=1).encode())
    version = _digest(b"".join(site[address].read() for address in sorted(site) if not address.endswith(".onnx")))
    worker = (PAGE / "sw.js").read_text(encoding="utf-8").replace("__VERSION__", version)
    site["sw.js"] = _made(".js", worker.encode())
    return dict(sorted(site.items()))


def _page_files() -> list[Path]:
    return [path for path in PAGE.rglob("*") if path.suffix in MIME_TYPES and os.path.isfile(path)]


def _found_styles(folder: Path | None) -> dict[str, tuple[Path, StyleMetadata]]:
    if folder is None:
        paths = available_styles()
    elif os.path.isdir(folder):
        paths = {path.stem: path for path in sorted(folder.glob("*.onnx")) if not path.name.endswith(HALF_SUFFIX)}
    else:
        raise ConfigError(f"--styles {folder} is not a folder.")
    found = {}
    for name, path in paths.items():
        if not name.isprintable():  # it could be no address
            log.warning("%s is left out: its name is not a text in UTF-8, or holds control characters.", path)
            continue
        try:
            found[name] = (path, read_description(path))
        except ModelError as error:
            log.warning("%s", error)
    if not found:
        where = f" in {folder}" if folder else ""
        raise ConfigError(f"there is no style{where}: put style model files (.onnx) there, or leave --styles away.")
    return found


def _entry(name: str, metadata: StyleMetadata) -> dict[str, Any]:
    return {
        "name": name,
        "title": metadata.title or metadata.name,
        "artist": metadata.artist,
        "year": metadata.year,
        "movement": metadata.movement,
    }


def _with_light_ones(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those named NAME-s beside a NAME: they become its `light` file, for the live view."""
    by_name = {entry["name"]: entry for entry in entries}
    kept = []
    for entry in entries:
        base = by_name.get(entry["name"].removesuffix(SMALL_SUFFIX))
        if base is None or base is entry:
            kept.append(entry)
        else:
            base["light"] = {"file": entry["file"], "version": entry["version"]}
    return kept


def _matting_model() -> Path | None:
    try:
        return resolve_matting_model()
    except ModelError:
        return None


def _as_it_is(path: Path) -> SiteFile:
    return SiteFile(MIME_TYPES.get(path.suffix, MIME_TYPES[".txt"]), path.read_bytes)


def _made(suffix: str, content: bytes) -> SiteFile:
    return SiteFile(MIME_TYPES[suffix], lambda: content)


def _half_copy(path: Path) -> Callable[[], bytes]:
    @cache
    def read() -> bytes:
        try:
            return halve_weights(path.read_bytes())
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    return read


def _thumbnail(strip: Path) -> bytes | None:
    """The painting in a style's strip as a small square JPEG; None where there is no such strip."""
    try:
        picture = open_image(strip)
    except ImageError:
        return None
    if picture.size == _STRIP_SIZE:
        picture = picture.crop(_PAINTING_IN_STRIP)
        blank = Image.new("RGB", picture.size, "white")
        # JPEG leaves a haze around the painting; what differs by more is painting.
        differs = ImageChops.difference(picture, blank).convert("L").point(lambda level: 255 * (level > 40))
        left, top, right, bottom = differs.getbbox() or (0, 0, *picture.size)
        if min(right - left, bottom - top) > _FRAME * 4:
            picture = picture.crop((left + _FRAME, top + _FRAME, right - _FRAME, bottom - _FRAME))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    written = io.BytesIO()
    square.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS).save(written, "JPEG", quality=88)
    return written.getvalue()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
