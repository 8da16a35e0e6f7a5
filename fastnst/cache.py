"""Folders of downloads, verdicts and engines between runs, of what a user has installed, and the user's defaults.

The folders are the platform's own: on Linux below ~/.cache, ~/.local/share and ~/.config (or where the XDG variables
point), on macOS below ~/Library, on Windows below %LOCALAPPDATA%.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fastnst.errors import DownloadError

_NAME = "fastnst"


def cache_path() -> Path:
    """The folder of downloads and verdicts: $FASTNST_CACHE, else fastnst/ in the user's cache directory."""
    from platformdirs import user_cache_path

    own = os.environ.get("FASTNST_CACHE")
    return Path(own) if own else _found(user_cache_path)


def data_path() -> Path:
    """The folder of what a user installs: $FASTNST_DATA, else fastnst/ in the user's data directory."""
    from platformdirs import user_data_path

    own = os.environ.get("FASTNST_DATA")
    return Path(own) if own else _found(user_data_path)


def config_path() -> Path:
    """The folder of the user's defaults: fastnst/ in the user's configuration directory."""
    from platformdirs import user_config_path

    return _found(user_config_path)


def _found(folder: Callable[..., Path]) -> Path:
    """The platform's folder; for a user without a home (a bare container) a place where nothing is and nothing goes."""
    try:
        return folder(_NAME, appauthor=False)
    except RuntimeError:
        return Path(os.devnull) / _NAME


def cache_folder() -> Path:
    """`cache_path`, created on demand. Raises `DownloadError` if it cannot be."""
    folder = cache_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"the cache folder {folder} cannot be created ({error.strerror}): set FASTNST_CACHE to another folder."
        ) from error
    return folder
