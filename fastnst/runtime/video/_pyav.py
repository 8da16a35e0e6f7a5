"""PyAV, imported when the first clip is opened: `fastnst --help` and photos do without it."""

from __future__ import annotations

import os
from typing import Any

from fastnst.errors import MissingDependencyError


def import_av() -> Any:
    """The module `av`, or `MissingDependencyError` with the extra that brings it."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes a page of settings to stderr otherwise
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingDependencyError(f'clips need PyAV ({error}): pip install "fastnst[video]".') from error
    return av


def reason(error: BaseException) -> str:
    """What FFmpeg says about a failure, without number and file name."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
