"""Where downloads, verdicts and engines are kept between runs, and the styles that a user has installed."""

from __future__ import annotations

import os
from pathlib import Path

from fastnst.errors import DownloadError


def cache_path() -> Path:
    """Where downloads and verdicts are kept: $FASTNST_CACHE, else fastnst/ in the user's cache directory."""
    own = os.environ.get("FASTNST_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fastnst"


def data_path() -> Path:
    """Where what a user installs is kept: $FASTNST_DATA, else fastnst/ in the user's data directory."""
    own = os.environ.get("FASTNST_DATA")
    return Path(own) if own else Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "fastnst"


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
