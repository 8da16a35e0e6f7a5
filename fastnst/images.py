"""The one place that opens, validates, orients, resizes and saves pictures."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fastnst.errors import ConfigError, ImageError, OutputError

try:  # HEIC comes for free where the plugin is installed: pip install "fastnst[heic]"
    from pillow_heif import register_heif_opener

    register_heif_opener()
    _HEIC: tuple[str, ...] = (".heic", ".heif")
except ImportError:
    _HEIC = ()

READABLE = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", *_HEIC)
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", *_HEIC)  # that can be written
_HUGE_PIXELS = 178_956_970  # Pillow's own limit for a decompression bomb
_ORIENTATION = 0x0112

Source = str | Path | BinaryIO


@dataclass(frozen=True)
class Picture:
    """A photo and what should survive its restyling.

    Attributes:
        rgb: the pixels, upright, mode RGB.
        alpha: transparency, mode L, of the same size; None if opaque.
        icc: the colour profile, or None.
        exif: the EXIF block with its orientation reset (the pixels are upright already), or None.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    icc: bytes | None = None
    exif: bytes | None = None

    def with_pixels(self, rgb: Image.Image) -> Picture:
        """This picture with other pixels; the alpha follows their size."""
        alpha = self.alpha
        if alpha is not None and alpha.size != rgb.size:
            alpha = alpha.resize(rgb.size, Image.Resampling.LANCZOS)
        return replace(self, rgb=rgb, alpha=alpha)


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


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """Files as given and, for folders, all pictures below them by suffix: sorted, hidden ones left out."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [
                Path(folder, file)
                for file in sorted(files)
                if not file.startswith(".") and Path(file).suffix.lower() in READABLE
            ]
    return found


def trimmed(image: Image.Image, share: float) -> Image.Image:
    """The image without a share of its width at the left and right, and of its height at the top and bottom.

    Raises `ConfigError` for a share that is not from 0 to less than a half.
    """
    if not 0 <= share < 0.5:
        raise ConfigError(f"style_trim must be from 0 to less than 0.5, not {share}: it is left off at each border.")
    across, down = round(share * image.width), round(share * image.height)
    return image.crop((across, down, image.width - across, image.height - down))


def resize_long_side(image: Image.Image, size: int) -> Image.Image:
    """Scale so that the long side is `size` pixels (Lanczos); the aspect stays."""
    return _scale(image, size / max(image.size))


def resize_short_side(image: Image.Image, size: int) -> Image.Image:
    """Scale so that the short side is `size` pixels (Lanczos); the aspect stays."""
    return _scale(image, size / min(image.size))


def to_unit_floats(image: Image.Image) -> np.ndarray:
    """Mode RGB (or L) to float32 `[3, H, W]` (or `[1, H, W]`) in [0, 1]."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None])


def from_unit_floats(pixels: np.ndarray) -> Image.Image:
    """Float `[3, H, W]` to mode RGB: rounded, values outside [0, 1] clipped."""
    scaled = np.rint(np.clip(np.moveaxis(pixels, 0, -1), 0, 1) * 255)
    return Image.fromarray(scaled.astype(np.uint8))


def save_picture(picture: Picture, path: str | Path, *, overwrite: bool = False, quality: int = 95) -> None:
    """Save with profile, EXIF and (in formats that have one) alpha; see `save_image`."""
    rgb = picture.rgb
    if picture.alpha is not None:
        rgb = rgb.copy()
        rgb.putalpha(picture.alpha)
    save_image(rgb, path, overwrite=overwrite, quality=quality, icc=picture.icc, exif=picture.exif)


def save_image(
    image: Image.Image,
    path: str | Path,
    *,
    overwrite: bool = False,
    quality: int = 95,
    icc: bytes | None = None,
    exif: bytes | None = None,
) -> None:
    """Write a picture, whole or not at all, in the format of its suffix.

    Raises `OutputError` for an unknown suffix, an existing file without `overwrite`, or a place that cannot be
    written. A JPEG has no alpha: transparent parts are laid on white.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"{path} has no picture suffix that can be written: use one of {', '.join(SUFFIXES)}.")
    if suffix in (".jpg", ".jpeg") and image.mode == "RGBA":
        image = Image.composite(image.convert("RGB"), Image.new("RGB", image.size, "white"), image.getchannel("A"))
    options: dict[str, object] = {"quality": quality} if suffix not in (".png", ".tif", ".tiff") else {}
    if suffix in (".jpg", ".jpeg"):
        options["subsampling"] = 0  # full colour resolution: strokes are colour edges
    options |= {name: value for name, value in (("icc_profile", icc), ("exif", exif)) if value}
    encoded = io.BytesIO()
    image.save(encoded, format=Image.registered_extensions()[suffix], **options)
    with write_atomically(path, overwrite=overwrite) as partial:
        partial.write_bytes(encoded.getbuffer())


@contextlib.contextmanager
def write_atomically(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed on success, removed on failure.

    Raises `OutputError` if `path` exists (without `overwrite`) or cannot be written, a full disk included.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        partial = Path(name)
        yield partial
        os.chmod(partial, 0o666 & ~_umask())
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}).") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def check_output(path: str | Path, *, overwrite: bool = False) -> None:
    """Raise `OutputError` if `path` is a folder, or exists and may not be overwritten."""
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already: pass --overwrite to replace it.")


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


def _scale(image: Image.Image, factor: float) -> Image.Image:
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
