"""EXIF blocks: what describes a photo is kept, tag by tag; what describes the old file's structure is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin
from PIL.ExifTags import IFD, Base

ORIENTATION = int(Base.Orientation)
_RESOLUTION = (int(Base.XResolution), int(Base.YResolution), int(Base.ResolutionUnit))
DESCRIPTIVE = frozenset(
    {
        *(Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.HostComputer),
        *(Base.Copyright, Base.Rating, Base.RatingPercent, Base.DocumentName, Base.PageName),
        *(Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords, Base.XPSubject),
    }
)
# Of the file as it was: the size, the colour space, the offsets of other blocks.
_OLD_FILE_TAGS = frozenset(
    {Base.ColorSpace, Base.ExifImageWidth, Base.ExifImageHeight, Base.ExifInteroperabilityOffset}
)
# Descriptions by which programs know how the old file's pixels lie: tifffile, ImageJ, OME.
_PROGRAM_DESCRIPTIONS = ('{"shape"', "ImageJ=", "<?xml", "<OME")
_MAX_BYTES = 65_000  # of a block: a JPEG segment holds 65,533
_SRGB = 1

Block = dict[int, Any]


def orientation(image: Image.Image) -> int:
    """The turn that a picture needs, 1 … 8; 1 if that is not said, or said wrongly."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever Pillow makes of damaged blocks
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def read_exif(image: Image.Image) -> bytes | None:
    """The descriptive tags of a picture that can be written again, as one block; None if there are none.

    The orientation is 1, since pixels are turned when they are read. A tag that is damaged, or of a type that cannot be
    written, is left out alone.
    """
    with contextlib.suppress(Exception):  # whatever Pillow makes of damaged blocks
        return _descriptive(image.getexif())
    return None


def read_first_exif(source: Path | BinaryIO) -> bytes | None:
    """What `read_exif` gives of a TIFF's first directory, for pixels that Pillow does not open."""
    with contextlib.suppress(Exception), contextlib.ExitStack() as stack:
        file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        file.seek(0)
        exif = Image.Exif()
        exif.load_from_fp(file)
        return _descriptive(exif)
    return None


def _descriptive(exif: Image.Exif) -> bytes | None:
    blocks: dict[int, Block] = {}
    with contextlib.suppress(Exception):  # whatever Pillow makes of damaged blocks
        blocks[0] = _chosen(exif, DESCRIPTIVE)
        for part, dropped in ((IFD.Exif, _OLD_FILE_TAGS), (IFD.GPSInfo, frozenset())):
            with contextlib.suppress(Exception):
                inner = exif.get_ifd(part)
                blocks[int(part)] = _chosen(inner, set(inner) - dropped)
    if not any(blocks.values()):
        return None
    return _fitted(blocks)


def read_tiff_tags(exif: bytes | None) -> TiffImagePlugin.ImageFileDirectory_v2:
    """A block of `read_exif` as the directory that Pillow writes into a TIFF."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    if exif is not None:
        parsed = parsed_exif(exif)
        for tag in (DESCRIPTIVE | {IFD.Exif, IFD.GPSInfo}) & set(parsed):
            directory[int(tag)] = parsed[tag]
    return directory


def parsed_exif(block: bytes | None, dpi: tuple[float, float] | None = None) -> Image.Exif:
    """A block of `read_exif` as Pillow writes it without loss, with a resolution in dots per inch if one is given."""
    parsed = Image.Exif()
    if block is not None:
        parsed.load(block)
        for tag in list(parsed):
            parsed[tag] = _as_written(parsed[tag])
        for part in (IFD.Exif, IFD.GPSInfo):
            inner = {tag: _as_written(value) for tag, value in parsed.get_ifd(part).items()}
            if inner:
                parsed[int(part)] = inner
    if dpi is not None:
        parsed.update(dict(zip(_RESOLUTION, (*dpi, 2), strict=True)))
    return parsed


def _chosen(values: Mapping[int, Any], tags: Iterable[int]) -> Block:
    """Those of the tags whose values can be read and written."""
    chosen: Block = {}
    for tag in tags:
        with contextlib.suppress(Exception):  # a bad tag costs that tag
            if tag in values and _is_writable(int(tag), values[tag]):
                chosen[int(tag)] = _as_written(values[tag])
    return chosen


def _is_writable(tag: int, value: Any) -> bool:
    """True if Pillow writes a value; raises whatever it stumbles over if not."""
    if isinstance(value, dict):  # blocks of camera makers that Pillow takes apart, and cannot put together
        return False
    if tag == Base.ImageDescription and str(value).lstrip().startswith(_PROGRAM_DESCRIPTIONS):
        return False
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[tag] = _as_written(value)
    return len(directory.tobytes(8)) > 0


def _as_written(value: Any) -> Any:
    """Text as the bytes it was read from: Pillow reads Latin-1 and would write ASCII with question marks."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1", "replace")
    return value


def _fitted(blocks: dict[int, Block]) -> bytes | None:
    """The blocks as bytes, the largest values left out until a JPEG segment holds them."""
    while any(blocks.values()):
        exif = Image.Exif()
        exif.update(blocks.get(0, {}))
        exif[ORIENTATION] = 1
        inner = blocks.get(int(IFD.Exif), {})
        if inner:
            exif[int(IFD.Exif)] = {**inner, int(Base.ColorSpace): _SRGB}
        if blocks.get(int(IFD.GPSInfo)):
            exif[int(IFD.GPSInfo)] = blocks[int(IFD.GPSInfo)]
        try:
            content = exif.tobytes()
        except Exception:  # tags that can be written each, but not together
            content = None
        if content is not None and len(content) <= _MAX_BYTES:
            return content
        sizes = [(_size(value), part, tag) for part, block in blocks.items() for tag, value in block.items()]
        _, part, tag = max(sizes)
        del blocks[part][tag]
    return None


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes | str | tuple) else 1
