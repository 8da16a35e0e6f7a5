"""Write pictures, whole or not at all, in the format of their suffix."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from fastnst.errors import OutputError
from fastnst.images.formats import SUFFIXES
from fastnst.images.picture import Picture
from fastnst.output_files import write_atomically


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
