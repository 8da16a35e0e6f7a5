"""FFmpeg's frames to upright RGB bytes and back: rotation, size, colour matrices, high dynamic range."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image
from fastnst.images.transparency import bleed
from fastnst.runtime.video._pyav import import_av
from fastnst.runtime.video.tone_mapping import HLG, PQ, ToneMapper
from fastnst.runtime.video.types import Colors

_MIN_HD_LINES = 720  # lines from which an untagged picture is taken as BT.709, below it as BT.601, as players do
_BT709, _UNKNOWN, _FCC, _BT470BG, _BT601, _SMPTE240M, _BT2020 = 1, 2, 4, 5, 6, 7, 9  # H.273, table 4
# As libswscale numbers them (swscale.h, SWS_CS_…); PyAV 17, the last for Python 3.10, has no name for BT.2020.
_SWSCALE = {_BT709: 1, _FCC: 4, _BT470BG: 5, _BT601: 5, _SMPTE240M: 7, _BT2020: 9, 10: 9}
_REDUCTION: dict[str, Any] = {"interpolation": "BICUBIC", "threads": 1}


class ToRGB:
    """Frames of one clip to uint8 RGB `[H, W, 3]`, upright, of one size.

    Args:
        first: the clip's first frame; its size, rotation and tags decide.
        max_size: reduce to this long side; the sides become even then, which every encoder takes.
        transparent: whether an alpha channel means transparency.
    """

    def __init__(self, first: Any, max_size: int | None = None, *, transparent: bool = False) -> None:
        av = import_av()
        self.turns, self.mirrored = _orientation(first)
        width, height = reduced_size(first.width, first.height, max_size)
        self._stored = (width, height)
        self.size = (height, width) if self.turns % 2 else (width, height)
        self._matrix = _matrix(first)
        transfer = int(first.color_trc)
        self._tone_mapper = ToneMapper(transfer) if transfer in (PQ, HLG) else None
        self._transparent = transparent and self._tone_mapper is None
        self.colors = Colors() if self._tone_mapper else _tags(first, self._matrix)
        self._to_planes = av.video.reformatter.VideoReformatter()  # keeps its tables from frame to frame
        self._to_rgb = av.video.reformatter.VideoReformatter()

    def __call__(self, frame: Any) -> UInt8Image:
        """Convert one frame."""
        width, height = self._stored
        options = _REDUCTION
        if self._tone_mapper is not None:
            frame = self._to_planes.reformat(
                frame, width, height, "gbrp16le", src_colorspace=_SWSCALE[self._matrix], **options
            )
            frame = self._tone_mapper(frame)
            return self._upright(self._to_rgb.reformat(frame, format="rgb24", **options))
        return self._upright(self._converted(frame, "rgb24"))

    def layers(self, frame: Any) -> tuple[UInt8Image, UInt8Image | None]:
        """Convert one frame; its alpha `[H, W]`, too, if it is transparent anywhere, with visible colours under it."""
        if not (self._transparent and any(component.is_alpha for component in frame.format.components)):
            return self(frame), None
        pixels = self._upright(self._converted(frame, "rgba"))
        rgb, alpha = Image.fromarray(np.ascontiguousarray(pixels[..., :3])), Image.fromarray(pixels[..., 3])
        if alpha.getextrema() == (255, 255):
            return np.asarray(rgb), None
        return np.asarray(bleed(rgb, alpha)), np.asarray(alpha)

    def _converted(self, frame: Any, pixel_format: str) -> Any:
        colours = {} if frame.format.is_rgb else {"src_colorspace": _SWSCALE[self._matrix]}
        return self._to_rgb.reformat(frame, *self._stored, pixel_format, **colours, **_REDUCTION)

    def _upright(self, frame: Any) -> UInt8Image:
        pixels: UInt8Image = frame.to_ndarray()
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, self.turns))


class FromRGB:
    """Uint8 RGB `[H, W, 3]` to frames in an encoder's pixel format."""

    def __init__(self, pixel_format: str, colors: Colors) -> None:
        self._av = import_av()
        self._format, self._colors = pixel_format, colors
        self._reformatter = self._av.video.reformatter.VideoReformatter()

    def __call__(self, rgb: UInt8Image) -> Any:
        """Convert one picture."""
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        options = {"dst_colorspace": _SWSCALE[self._colors.matrix], "dst_color_range": "MPEG"}
        frame = self._reformatter.reformat(frame, format=self._format, threads=1, **options)
        frame.colorspace, frame.color_range = self._colors.matrix, 1
        frame.color_primaries, frame.color_trc = self._colors.primaries, self._colors.transfer
        return frame


class Reducer:
    """Makes pictures smaller, the same for clips, folders and the camera; one object for pictures of one size.

    Args:
        max_size: the long side in pixels; None leaves everything as it is.
    """

    def __init__(self, max_size: int | None) -> None:
        self._max_size = max_size
        self._reformatter: Any = None

    def __call__(self, pixels: UInt8Image) -> UInt8Image:
        """uint8 `[H, W, 3]` RGB or `[H, W]`, reduced by bicubic interpolation over the area."""
        height, width = pixels.shape[:2]
        size = reduced_size(width, height, self._max_size)
        if size == (width, height):
            return pixels
        av = import_av()
        if self._reformatter is None:
            self._reformatter = av.video.reformatter.VideoReformatter()
        kind = "gray" if pixels.ndim == 2 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=kind)
        small: UInt8Image = self._reformatter.reformat(frame, *size, kind, **_REDUCTION).to_ndarray()
        return small


def reduced_size(width: int, height: int, max_size: int | None) -> tuple[int, int]:
    """Width and height with the long side at most `max_size`; made even, which every encoder takes."""
    if max_size is None or max(width, height) <= max_size:
        return width, height
    factor = max_size / max(width, height)
    return max(16, int(width * factor) // 2 * 2), max(16, int(height * factor) // 2 * 2)


def _matrix(frame: Any) -> int:
    matrix = int(frame.colorspace)
    if matrix in _SWSCALE:
        return matrix
    return _BT709 if frame.height >= _MIN_HD_LINES else _BT601


def _tags(frame: Any, matrix: int) -> Colors:
    """Standard dynamic range keeps its tags; the matrix is written even where it was only assumed."""
    return Colors(matrix, int(frame.color_primaries) or _UNKNOWN, int(frame.color_trc) or _UNKNOWN)


def _orientation(frame: Any) -> tuple[int, bool]:
    """Quarter turns counterclockwise and whether to mirror left-right before, from the display matrix.

    The matrix is nine 32-bit integers; [a b; c d] at 0, 1, 3, 4 maps stored (x, y) to shown (ax + cy, bx + dy).
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(side_data), dtype=np.int32)[:5].astype(float)
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    # y points down: the stored x axis, shown along (a, b), has turned clockwise by atan2(b, a).
    return round(-np.degrees(np.arctan2(b, a)) / 90) % 4, mirrored
