"""Catalog of styles: names to style model files, and which of them belong to a movement or an artist."""

from __future__ import annotations

import difflib
import logging
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from fastnst.cache import data_path
from fastnst.errors import ConfigError, ModelError, StyleNotFoundError, suggest
from fastnst.hub import fetch_style, is_hub_address, parse_hub_address
from fastnst.input_files import expanded
from fastnst.runtime.engine.precision import HALF_SUFFIX
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.runtime.models.onnx_metadata import read_description

log = logging.getLogger(__name__)

SMALL_SUFFIX = "-s"  # NAME-s is NAME for weak machines and browsers: a smaller network
_PACKAGE = Path(__file__).resolve().parents[2]
_SHIPPED = (_PACKAGE / "styles", _PACKAGE.parent / "weights")


def style_folders() -> list[Path]:
    """Folders of styles, if there: the user's own, the installed package's, a source checkout's weights/."""
    folders = (own_style_folder(), *_SHIPPED)
    return [folder for folder in folders if os.path.isdir(folder)]  # unlike Path's, it takes any text


def own_style_folder() -> Path:
    """The folder of the user's own styles: $FASTNST_STYLES, else styles/ in the user's data directory."""
    own = os.environ.get("FASTNST_STYLES")
    return expanded(own) if own else data_path() / "styles"


def available_styles() -> dict[str, Path]:
    """The styles by name, in alphabetical order; a name in an earlier folder hides the same name in a later one."""
    return _styles_in(style_folders())


def shipped_styles() -> dict[str, Path]:
    """The styles of the package, or of a source checkout, without the user's own."""
    return _styles_in([folder for folder in _SHIPPED if os.path.isdir(folder)])


def without_small_ones(styles: Mapping[str, Path]) -> dict[str, Path]:
    """The styles but those named NAME-s beside a NAME."""
    return {
        name: path
        for name, path in styles.items()
        if not name.endswith(SMALL_SUFFIX) or name.removesuffix(SMALL_SUFFIX) not in styles
    }


def _styles_in(folders: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in reversed(folders):
        found.update({path.stem: path for path in folder.glob("*.onnx") if not path.name.endswith(HALF_SUFFIX)})
    return dict(sorted(found.items()))


def resolve_style(style: str | Path) -> Path:
    """The style model file for a name, a path, or an address of the hub (`hf://user/name[@revision]`).

    Raises `StyleNotFoundError`, with the nearest name and the list, for a name that is not there, `DownloadError` for
    an address whose file cannot be had.
    """
    if is_hub_address(str(style)):
        return fetch_style(parse_hub_address(str(style)))
    if is_file(style) or Path(style).suffix == ".onnx":
        return expanded(style)
    styles = available_styles()
    if str(style) not in styles:
        known = f"The styles are: {', '.join(styles)}." if styles else "No style is installed."
        raise StyleNotFoundError(f"unknown style '{style}'.{suggest(str(style), styles)} {known}")
    return styles[str(style)]


def is_file(style: str | Path) -> bool:
    """True if this is a file's path; False too for what could not be one."""
    return os.path.isfile(expanded(style))


def described_styles() -> dict[str, StyleMetadata]:
    """Descriptions of the installed styles, by name; a file that is not a style is reported and left out.

    Raises `ConfigError` if none is left.
    """
    described = {}
    for name, path in available_styles().items():
        try:
            described[name] = read_description(path)
        except ModelError as error:
            log.warning("%s", error)
    if not described:
        raise ConfigError("no style is installed: give --style a style model file (.onnx).")
    return described


def styles_of(
    field: str, wanted: str, styles: dict[str, StyleMetadata], among: str = "no style"
) -> dict[str, StyleMetadata]:
    """Those of `styles` whose `movement` or `artist` is `wanted`, or, where none is exactly that, contains it.

    Case and accents do not count. Raises `ConfigError`, with the nearest value and all of them, where nothing fits;
    the sentence begins with `among`.
    """
    values = {name: getattr(metadata, field) for name, metadata in styles.items()}
    known = sorted({value for value in values.values() if value})
    key = plain(wanted)
    # Impressionism is not Post-Impressionism, so that a part of a name counts only where no whole one fits.
    same = {name: styles[name] for name, value in values.items() if key and plain(value) == key}
    found = same or {name: styles[name] for name, value in values.items() if key and key in plain(value)}
    if found:
        return found
    words = {word: value for value in known for word in (*plain(value).split(), plain(value))}
    nearest = difflib.get_close_matches(key, words, n=1)
    near = f" Did you mean '{words[nearest[0]]}'?" if nearest else ""
    raise ConfigError(f"{among} has the {field} '{wanted}'.{near} There is: {', '.join(known) or 'none given'}.")


def plain(text: str) -> str:
    """Text without accents, capitals and spaces around it, for comparing."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).strip()
