"""Open pictures: validated, upright, sRGB, with a description of what their files carried."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from fastnst.errors import FastNSTError, ImageError, reason_of
from fastnst.images import raw
from fastnst.images._pillow import opened
from fastnst.images.animation import UNKNOWN_PIXEL_MODE, frame_count, page_numbers
from fastnst.images.bare import without_descriptions
from fastnst.images.color import to_srgb
from fastnst.images.exif import orientation, read_first_exif
from fastnst.images.formats import missing_reader
from fastnst.images.implied_profile import implied_profile
from fastnst.images.levels import deep_channels, is_deep, mend_reading, to_eight_bits
from fastnst.images.metadata import Metadata, read_metadata
from fastnst.images.picture import Picture, Source
from fastnst.images.resize import resize_long_side
from fastnst.images.tiff_arrays import MissingCodecError, is_tiff, ordinary_tiff
from fastnst.images.transparency import bleed

_MAX_PIXELS = 178_956_970  # Pillow's own limit for a decompression bomb
_UNKNOWN_PIXELS = (UNKNOWN_PIXEL_MODE, "unknown data organization")
_LAST_UPRIGHT = 4  # orientation above which width and height change places
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(source: Source, *, max_size: int | None = None, allow_huge: bool = False, page: int = 0) -> Picture:
    """Open a picture of any kind as upright sRGB pixels.

    Args:
        source: a path or a binary stream.
        max_size: reduce to this long side in pixels; smaller pictures stay as they are.
        allow_huge: take pictures above 179 megapixels, which are refused as decompression bombs otherwise.
        page: of a file with several, counted from 0; `Picture.metadata.pages` says how many there are.

    Raises `ImageError`, in one sentence, for what is missing, empty, damaged, huge or not a picture.
    """
    name = str(source) if isinstance(source, str | Path) else "the picture"
    try:
        if isinstance(source, str | Path):
            path = Path(source)
            _check_file(path)
            return _open(path, name, max_size, allow_huge, page)
        return _open(source, name, max_size, allow_huge, page)
    except FastNSTError:
        raise
    except UnidentifiedImageError as error:
        remedy = missing_reader(Path(name).suffix.lower())
        if remedy:
            raise ImageError(f"{name} is a {remedy[0]}, which cannot be read here: {remedy[1]}.") from error
        raise ImageError(f"{name} is not a picture in a format that can be read.") from error
    except MemoryError as error:
        raise ImageError(f"{name} is too large for the memory of this machine: make it smaller first.") from error
    except OSError as error:
        if error.errno is not None:
            raise ImageError(f"{name} cannot be read ({error.strerror}).") from error
        raise ImageError(f"{name} is damaged or cut short ({_first_line(error)}).") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
        # A PSD of a mode or depth that Pillow's table lacks is a SyntaxError because of a KeyError.
        if str(error) in _UNKNOWN_PIXELS or isinstance(error.__cause__, KeyError):
            raise ImageError(
                f"{name} holds pixels of a kind that cannot be read: save it as RGB with 8 or 16 bits a channel."
            ) from error
        raise ImageError(f"{name} is damaged or cut short ({_first_line(error)}).") from error


def open_image(source: Source, *, max_size: int | None = None, allow_huge: bool = False) -> Image.Image:
    """The pixels of `open_picture`: sRGB, mode RGB, upright. Transparent parts lie on white."""
    return open_picture(source, max_size=max_size, allow_huge=allow_huge).on_white()


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height as the file's header has them, before any turning; raises `ImageError` as `open_picture`."""
    _check_file(path)
    try:
        with opened(path) as image:
            return image.size
    except MemoryError:
        raise
    except Exception as error:
        raise ImageError(f"{path} is not a picture that can be read.") from error


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be opened ({reason_of(error)}).") from error
    if stat.S_ISDIR(found.st_mode):
        raise ImageError(f"{path} is a folder where a picture is expected.")
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(f"{path} is not a file: a pipe or a device holds no picture.")
    if found.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes).")


def _open(source: Path | BinaryIO, name: str, max_size: int | None, allow_huge: bool, page: int) -> Picture:
    if raw.is_raw(source):
        picture = raw.develop(source, name, None if allow_huge else _MAX_PIXELS)
        return _reduced(picture, max_size)
    try:
        return _decoded(source, name, max_size, allow_huge, page)
    except (FastNSTError, MemoryError):
        raise
    except Exception as error:
        if is_tiff(source):
            return _otherwise_decoded(source, name, max_size, allow_huge, page, error)
        if not isinstance(error, ValueError | SyntaxError):
            raise
        repaired = without_descriptions(source)
        if repaired is None:
            raise
        try:
            return _decoded(repaired, name, max_size, allow_huge, page)
        except (ValueError, SyntaxError):
            raise error from None


def _otherwise_decoded(
    source: Path | BinaryIO, name: str, max_size: int | None, allow_huge: bool, page: int, first: Exception
) -> Picture:
    """A TIFF that Pillow stumbles over; raises `first`, Pillow's error, if it is damaged for tifffile, too."""
    unknown = str(first) in _UNKNOWN_PIXELS or isinstance(first, KeyError | SyntaxError)  # not damaged, for all we know
    try:
        tiff = ordinary_tiff(source, name, page, None if allow_huge else _MAX_PIXELS)
    except MissingCodecError as error:
        raise (first if error.usual and not unknown else error) from None
    except (FastNSTError, MemoryError):
        raise
    except ImportError as error:
        if not unknown:
            raise first from None
        raise ImageError(
            f'{name} holds pixels of a kind that cannot be read here: pip install "fastnst[tiff]" reads more, or save'
            " it as RGB with 8 or 16 bits a channel."
        ) from error
    except Exception as error:
        raise (error if unknown else first) from None
    picture = _decoded(tiff.content, name, max_size, allow_huge, 0)
    notes = (tiff.note,) if tiff.note else ()
    metadata = replace(picture.metadata, pages=tiff.pages, notes=notes)
    if page == 0:  # with the blocks of cameras and places, which tifffile takes apart
        metadata = replace(metadata, exif=read_first_exif(source) or metadata.exif)
    return replace(picture, metadata=metadata)


def _decoded(source: Path | BinaryIO | bytes, name: str, max_size: int | None, allow_huge: bool, page: int) -> Picture:
    with opened(source) as image:
        numbers = page_numbers(image)
        if numbers[page]:  # the first may be a reduced copy, too
            image.seek(numbers[page])
        if image.width * image.height > _MAX_PIXELS and not allow_huge:
            raise ImageError(
                f"{name} has {image.width}×{image.height} pixels, which may be a decompression bomb:"
                " pass --allow-huge if you trust it."
            )
        if max_size is not None:
            image.draft("RGB", (max_size * 2, max_size * 2))
        frames, deep = frame_count(image), deep_channels(image)
        mend_reading(image)
        turn = orientation(image)
        image.load()
        if "icc_profile" not in image.info and image.mode not in ("CMYK", "LAB"):
            implied = implied_profile(image, source)
            if implied is not None:
                image.info["icc_profile"] = implied
        notes = (deep,) if deep and not is_deep(image) else ()
        metadata = replace(read_metadata(image), pages=len(numbers), frames=frames, notes=notes)
        if metadata.dpi is not None and turn > _LAST_UPRIGHT:
            metadata = replace(metadata, dpi=metadata.dpi[::-1])
        left = orientation(image)  # Pillow turns the pixels of TIFFs as it loads them
        return _reduced(_upright(_working(image, metadata), left), max_size)


def _working(image: Image.Image, metadata: Metadata) -> Picture:
    """The picture in sRGB, as it lies in the file."""
    profile = image.info.get("icc_profile")
    profile = profile if isinstance(profile, bytes) else None
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if alpha is not None and alpha.getextrema() == (255, 255):
        alpha = None
    plain: Image.Image = image
    if is_deep(image):
        plain, note = to_eight_bits(image)
        metadata = replace(metadata, notes=(*metadata.notes, note))
    elif image.mode in ("LA", "La"):
        plain = image.convert("LA").getchannel("L")
    elif image.has_transparency_data or image.mode in ("RGBA", "RGBX", "RGBa"):
        plain = image.convert("RGBA").convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):
        plain = image.convert("RGB")
    rgb = to_srgb(plain, profile)
    if rgb is image:
        rgb = image.copy()
    rgb.info = {}  # Pillow would write some of it into whatever the pixels are saved as
    return Picture(rgb if alpha is None else bleed(rgb, alpha), alpha, metadata)


def _upright(picture: Picture, turn: int) -> Picture:
    method = _ORIENTATIONS.get(turn)
    if method is None:
        return picture
    alpha = picture.alpha.transpose(method) if picture.alpha is not None else None
    return Picture(picture.rgb.transpose(method), alpha, picture.metadata)


def _reduced(picture: Picture, max_size: int | None) -> Picture:
    if max_size is None or max(picture.rgb.size) <= max_size:
        return picture
    return picture.with_pixels(resize_long_side(picture.rgb, max_size))


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
