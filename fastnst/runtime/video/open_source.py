"""Choice of a file's reader: that of animated pictures or that of videos."""

from __future__ import annotations

import os
from pathlib import Path

from fastnst.errors import ClipError, ConfigError
from fastnst.runtime.video.animation import AnimationSource, is_picture_file
from fastnst.runtime.video.reader import Cut, VideoSource


def open_file(path: Path, max_size: int | None = None, cut: Cut | None = None) -> AnimationSource | VideoSource:
    """The source of a file, by its content; raises `ClipError` for what cannot be read, `ConfigError` for a `cut` that
    does not go with it."""
    if not os.path.exists(path):
        raise ClipError(f"{path} does not exist.")
    if not is_picture_file(path):
        return VideoSource(path, max_size, cut)
    if cut is not None and cut != Cut():
        raise ConfigError("--start and --end are for videos; an animated picture is taken whole.")
    return AnimationSource(path, max_size)
