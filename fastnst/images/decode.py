"""Open pictures: validated, upright, RGB."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fastnst.errors import ImageError
from fastnst.images.picture import Picture, Source
from fastnst.images.resize import resize_long_side

_HUGE_PIXELS = 178_956_970  # Pillow's own limit for a decompression bomb
_ORIENTATION = 0x0112


def open_picture(source: Source, *, max_size: int | None = None, allow_huge: bool = False) -> Picture:
    """Open a picture of any mode, turned upright.

    Args:
        source: a path or a binary stream.
        max_size: reduce to this long side in pixels; smaller pictures stay as they are.
        allow_huge: take pictures above 179 megapixels, which are refused as decompression bombs otherwise.

    Raises `ImageError`, in one sentence, for what is missing, empty, damaged, huge or no picture.
    """
    name = str(source) if isinstance(source, str | Path) else "the picture"
    if isinstance(source, str | Path):
        _check_file(Path(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd EXIF and about the sizes judged below
            with _no_pixel_limit(), Image.open(source) as image:
                if image.width * image.height > _HUGE_PIXELS and not allow_huge:
                    raise ImageError(
                        f"{name} has {image.width}×{image.height} pixels, which may be a decompression bomb:"
                        " pass --allow-huge if you trust it."
                    )
                if max_size is not None:
                    image.draft("RGB", (max_size * 2, max_size * 2))
                image.load()
                return _prepare(image, max_size)
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture in a format that can be read.") from error
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError) as error:
        raise ImageError(f"{name} is damaged or cut short ({str(error) or type(error).__name__}).") from error
    except MemoryError as error:
        raise ImageError(f"{name} is too large for the memory of this machine: make it smaller first.") from error


def open_image(source: Source, *, max_size: int | None = None, allow_huge: bool = False) -> Image.Image:
    """The pixels of `open_picture`: mode RGB, upright. Transparent parts lie on white."""
    picture = open_picture(source, max_size=max_size, allow_huge=allow_huge)
    if picture.alpha is None:
        return picture.rgb
    return Image.composite(picture.rgb, Image.new("RGB", picture.rgb.size, "white"), picture.alpha)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ImageError(f"{path} is a folder where a picture is expected.")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ImageError(f"{path} cannot be opened ({error.strerror}).") from error
    if size == 0:
        raise ImageError(f"{path} is empty (0 bytes).")


@contextlib.contextmanager
def _no_pixel_limit() -> Iterator[None]:
    """Pillow raises on its own above twice the limit; the judgement here is ours."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _prepare(image: Image.Image, max_size: int | None) -> Picture:
    icc = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA") else None  # a CMYK profile fits no RGB
    exif = image.getexif()
    upright = ImageOps.exif_transpose(image)
    exif[_ORIENTATION] = 1
    kept_exif = exif.tobytes() if len(exif) > 1 else None
    if upright.mode.startswith("I") or upright.mode == "F":  # 16- and 32-bit greyscale
        values = np.asarray(upright, dtype=np.float64)
        brightest = 65535 if values.max(initial=0) > 255 else 255
        upright = Image.fromarray(np.clip(values * (255 / brightest), 0, 255).astype(np.uint8))
    alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    if alpha is not None and alpha.getextrema() == (255, 255):
        alpha = None
    picture = Picture(
        upright.convert("RGBA").convert("RGB") if alpha else upright.convert("RGB"), alpha, icc, kept_exif
    )
    if max_size is not None and max(picture.rgb.size) > max_size:
        picture = picture.with_pixels(resize_long_side(picture.rgb, max_size))
    return picture
