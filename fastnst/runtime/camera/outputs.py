"""Outputs of live pictures: a window, nowhere, a virtual camera."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastnst.array_types import UInt8Image
from fastnst.errors import CameraError, MissingDependencyError
from fastnst.runtime.camera._opencv import import_cv2

_TITLE = "fastnst"


class Screen(Protocol):
    """Shows pictures, uint8 RGB `[H, W, 3]`, and returns the key that was pressed, or an empty string."""

    def show(self, rgb: UInt8Image) -> str:
        """Show one picture."""

    def close(self) -> None:
        """Give the screen back."""


class Headless:
    """No screen: for servers and tests."""

    def show(self, rgb: UInt8Image) -> str:
        """Take the picture, press nothing."""
        return ""

    def close(self) -> None:
        """Nothing to give back."""


class Window:
    """A window of OpenCV. Closing it is the key q."""

    def __init__(self) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise CameraError("there is no display to show a window on: pass --headless.")  # Qt would abort the process
        self._cv2 = import_cv2()
        try:
            self._cv2.namedWindow(_TITLE, self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO)
        except self._cv2.error as error:
            raise MissingDependencyError(
                'this OpenCV has no windows: pip uninstall opencv-python-headless, then pip install "fastnst[camera]",'
                " or pass --headless."
            ) from error
        self._size: tuple[int, int] | None = None

    def show(self, rgb: UInt8Image) -> str:
        """Show a picture; the window takes its size when that changes."""
        size = (rgb.shape[1], rgb.shape[0])
        if size != self._size:
            self._cv2.resizeWindow(_TITLE, *size)
            self._size = size
        self._cv2.imshow(_TITLE, rgb[..., ::-1])
        code = self._cv2.waitKey(1)
        if self._cv2.getWindowProperty(_TITLE, self._cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(code & 0xFF) if code != -1 else ""

    def close(self) -> None:
        """Close the window."""
        self._cv2.destroyAllWindows()


class VirtualCamera:
    """A camera that Zoom, OBS and browsers can choose."""

    def __init__(self, rate: float) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise MissingDependencyError(
                f'--virtual-camera needs pyvirtualcam ({error}): pip install "fastnst[virtualcam]".'
            ) from error
        self._library, self._rate = pyvirtualcam, rate
        self._camera: Any = None

    def send(self, rgb: UInt8Image) -> None:
        """Send a picture; all must have the first one's size.

        Raises `CameraError` if the system has no virtual camera.
        """
        if self._camera is None:
            try:
                self._camera = self._library.Camera(rgb.shape[1], rgb.shape[0], self._rate)
            except RuntimeError as error:
                first = str(error).strip().splitlines()[0]
                raise CameraError(f"no virtual camera can be opened ({first}): install OBS or v4l2loopback.") from error
        if (self._camera.height, self._camera.width) == rgb.shape[:2]:
            self._camera.send(np.ascontiguousarray(rgb))

    def close(self) -> None:
        """Give the virtual camera back."""
        if self._camera is not None:
            self._camera.close()


def draw_text(rgb: UInt8Image, text: str) -> UInt8Image:
    """The picture with a line of text in its upper left corner."""
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(10, rgb.shape[0] // 30))
    draw.text((6, 4), text, fill="white", font=font, stroke_width=2, stroke_fill="black")
    return np.asarray(image)
