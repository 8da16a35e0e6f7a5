"""OpenCV, imported when the first camera is opened."""

from __future__ import annotations

import os
from typing import Any

from fastnst.errors import MissingDependencyError


def import_cv2() -> Any:
    """The module `cv2` with its own complaints silenced, or `MissingDependencyError` with the extra that brings it."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # lost streams are reported in our words
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(f'the camera needs OpenCV ({error}): pip install "fastnst[camera]".') from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
