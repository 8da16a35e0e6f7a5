"""Write pictures, whole or not at all, in the format of their suffix."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fastnst.errors import ImageError, OutputError
from fastnst.images._pillow import quiet
from fastnst.images.color import from_srgb, is_srgb, srgb_profile
from fastnst.images.formats import SUFFIXES, WRITABLE, Format, size_problem
from fastnst.images.metadata import Metadata, save_options
from fastnst.images.picture import Picture
from fastnst.output_files import write_atomically

PROFILES = ("srgb", "photo")


def save_picture(
    picture: Picture, path: str | Path, *, overwrite: bool = False, quality: int = 95, profile: str = "srgb"
) -> None:
    """Save a picture with its alpha and with what its file carried, as far as the format has room for them.

    Args:
        picture: what to save; its pixels are sRGB.
        path: its suffix decides the format.
        overwrite: replace an existing file.
        quality: of lossy formats, 1 … 100.
        profile: `srgb` tags the pixels as they are, `photo` converts them back to the photo's own profile.

    Raises `OutputError` as `save_image`, `ImageError` for a size that the format cannot hold.
    """
    save_pages([picture], path, overwrite=overwrite, quality=quality, profile=profile)


def save_pages(
    pictures: Sequence[Picture],
    path: str | Path,
    *,
    overwrite: bool = False,
    quality: int = 95,
    profile: str = "srgb",
) -> None:
    """Save the pages of one file (TIFF), or one picture; see `save_picture`."""
    path = Path(path)
    kind = check_writable(path, pictures[0].rgb.size)
    layers = [_layers(picture, kind, profile) for picture in pictures]
    image, icc = layers[0]
    options = _options(kind, quality)
    if icc is not None:
        options["icc_profile"] = icc
    if len(layers) > 1:
        options |= {"save_all": True, "append_images": [page for page, _ in layers[1:]]}
    _write(_encoded(image, kind, options, pictures[0].metadata), path, overwrite=overwrite)


def save_image(image: Image.Image, path: str | Path, *, overwrite: bool = False, quality: int = 95) -> None:
    """Write pixels (mode L, RGB or RGBA, in sRGB), whole or not at all, in the format of the path's suffix.

    Raises `OutputError` for an unknown suffix, an existing file without `overwrite`, or a place that cannot be
    written. A JPEG has no alpha: transparent parts are laid on white.
    """
    path = Path(path)
    kind = check_writable(path, image.size)
    if image.mode == "RGBA" and not kind.alpha:
        image = Picture(image.convert("RGB"), image.getchannel("A")).on_white()
    _write(_encoded(image, kind, _options(kind, quality), Metadata()), path, overwrite=overwrite)


def check_writable(path: Path, size: tuple[int, int]) -> Format:
    """The format of a path; raises `OutputError` for an unknown suffix, `ImageError` for too many pixels a side."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"{path} has no picture suffix that can be written: use one of {', '.join(SUFFIXES)}.")
    problem = size_problem(suffix, size)
    if problem is not None:
        raise ImageError(f"{path} cannot be written: {problem}.")
    return WRITABLE[suffix]


def _layers(picture: Picture, kind: Format, profile: str) -> tuple[Image.Image, bytes | None]:
    """The image to encode, and the profile that its numbers are in."""
    rgb = picture.rgb if kind.alpha else picture.on_white()
    icc = picture.metadata.icc
    if icc is not None and not is_srgb(icc):
        back = from_srgb(rgb, icc) if profile == "photo" else None
        rgb, icc = (rgb, srgb_profile()) if back is None else (back, icc)
    if picture.alpha is not None and kind.alpha:
        rgb = rgb.copy()
        rgb.putalpha(picture.alpha)
    return rgb, icc


def _options(kind: Format, quality: int) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": quality} if kind.lossy else {}
    if kind.pillow == "JPEG":
        options["subsampling"] = 0  # full colour resolution: strokes are colour edges
    return options


def _encoded(image: Image.Image, kind: Format, options: dict[str, Any], metadata: Metadata) -> bytes:
    """The file's bytes; a description that Pillow cannot write does not cost the picture."""
    if image.info:
        image = image.copy()
        image.info = {}  # what the pixels came from, some of which Pillow would write again
    with quiet():
        for described in (True, False):
            encoded = io.BytesIO()
            try:
                descriptions = save_options(metadata, kind.pillow) if described else {}
                image.save(encoded, format=kind.pillow, **options, **descriptions)
            except MemoryError:
                raise
            except Exception as error:  # whatever Pillow makes of values that nobody foresaw
                if not described:
                    size = f"{image.width}×{image.height}"
                    raise ImageError(f"a picture of {size} cannot be encoded as {kind.pillow} ({error}).") from error
                continue
            return encoded.getvalue()  # a view would keep the buffer from being closed, which Python 3.13 complains of
    raise AssertionError("unreachable")


def _write(content: bytes, path: Path, *, overwrite: bool) -> None:
    with write_atomically(path, overwrite=overwrite) as partial:
        partial.write_bytes(content)
