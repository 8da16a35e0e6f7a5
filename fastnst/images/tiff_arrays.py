"""TIFFs of kinds that Pillow does not open, made ordinary ones by the optional package tifffile.

These are colours of floats, of 32 bits or with a sign, grey of 16 bits with transparency, further channels beside
CMYK, L*a*b* of 16 bits, with transparency or in ICC's encoding, 10, 12 and 14 bits, floats of 16 and 64 bits,
compressions such as JPEG 2000 and JPEG XL, and big-endian BigTIFFs.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import lzma
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base

from fastnst.array_types import UInt8Image
from fastnst.errors import ImageError
from fastnst.images.animation import MAX_PAGES, SUBORDINATE_PAGE
from fastnst.images.exif import DESCRIPTIVE
from fastnst.images.lab import CIELAB, ICCLAB, lab_levels
from fastnst.images.levels import scaled

if TYPE_CHECKING:
    from tifffile import TiffPage, TiffTag

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _CMYK = 0, 5  # photometric interpretations
_CHANNELS = {_WHITE_IS_ZERO: 1, 1: 1, 2: 3, _CMYK: 4, CIELAB: 3, ICCLAB: 3}  # 1 is black is zero, 2 is RGB
_WRITTEN_AS = {1: "minisblack", 3: "rgb", 4: "separated"}
_TRANSPARENCY = {1: "assocalpha", 2: "unassalpha"}  # kinds of extra samples; those of the first multiply the colours
_USUAL_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)  # none, fax, LZW, JPEG, deflate, PackBits
_TEXT = 2  # a type of tags
_MAX_BYTES_A_PIXEL = 8  # of the largest picture, as many as colours of 16 bits with transparency have
# Compressions that tifffile undoes by itself, without an end, where imagecodecs is not installed.
_UNPACKERS: dict[int, Callable[[], Any]] = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}
_PROFILE, _XMP, _IPTC, _PHOTOSHOP = 34675, 700, 33723, 34377
_KEPT_TAGS = DESCRIPTIVE | {int(Base.Orientation), _PROFILE, _XMP, _IPTC, _PHOTOSHOP}


class MissingCodecError(ImageError):
    """A TIFF that tifffile reads with a package that is not here; `usual` if Pillow unpacks such a compression."""

    def __init__(self, name: str, usual: bool) -> None:
        super().__init__(
            f'{name} is stored in a way that needs another package: pip install "fastnst[tiff]", or save it with'
            " 8 or 16 bits a channel and LZW or no compression."
        )
        self.usual = usual


class OrdinaryTiff(NamedTuple):
    """A page of a TIFF as a TIFF of 8 bits a channel, in words how it was scaled, and how many pages there were."""

    content: bytes
    note: str
    pages: int


def is_tiff(source: Path | BinaryIO) -> bool:
    """True if a file begins as TIFFs and BigTIFFs do."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(4) in _MAGIC
    source.seek(0)
    return source.read(4) in _MAGIC


def ordinary_tiff(source: Path | BinaryIO, name: str, page: int, max_pixels: int | None) -> OrdinaryTiff:
    """A page of a TIFF in 8 bits a channel, with its transparency, profile and descriptions.

    Raises `ImageError` for pages above `max_pixels` and for kinds of pixels that tifffile cannot read either,
    `ImportError` without it; what it raises for a damaged file passes.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it tells of damage beside our sentence
    if not isinstance(source, Path):
        source.seek(0)
    with tifffile.TiffFile(source) as file:
        pages = [one.aspage() for one in itertools.islice(file.pages, MAX_PAGES)]
        pages = [one for one in pages if not one.subfiletype & SUBORDINATE_PAGE] or pages
        chosen = pages[page]
        width, height = chosen.imagewidth, chosen.imagelength
        if max_pixels is not None and width * height > max_pixels:
            raise ImageError(f"{name} has {width}×{height} pixels: pass --allow-huge if you trust it.")
        if max_pixels is not None and chosen.nbytes > _MAX_BYTES_A_PIXEL * max_pixels:
            raise ImageError(f"{name} asks for {chosen.nbytes / 1e9:.0f} GB: pass --allow-huge if you trust it.")
        if not chosen.size or not any(chosen.databytecounts):
            raise ValueError("a page without pixels")
        _check_unpacked(chosen)
        levels, extra, note = _levels(chosen, name)
        return OrdinaryTiff(_written(levels, extra, chosen), note, len(pages))


def _written(levels: UInt8Image, extra: tuple[str, ...], page: TiffPage) -> bytes:
    """The bytes of a TIFF with these pixels and a page's descriptions; damaged tags have been left out in reading."""
    import tifffile

    content = io.BytesIO()
    tifffile.imwrite(
        content,
        levels,
        photometric=_WRITTEN_AS[levels.shape[2] - len(extra)] if levels.ndim == 3 else "minisblack",
        planarconfig="contig" if levels.ndim == 3 else None,
        extrasamples=extra,
        metadata=None,
        software=False,
        extratags=[_as_written(tag) for tag in page.tags if tag.code in _KEPT_TAGS],
        **_resolution(page),
    )
    return content.getvalue()


def _check_unpacked(page: TiffPage) -> None:
    """Raise `ValueError` if a strip or a tile unpacks to more than twice what its pixels need: a decompression bomb."""
    unpacker = _UNPACKERS.get(int(page.compression))
    if unpacker is None or page.dtype is None:
        return
    limit = 2 * math.prod(page.chunks) * page.dtype.itemsize
    for packed, _ in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        if packed is not None and len(unpacker().decompress(packed, limit + 1)) > limit:
            raise ValueError("it unpacks to more than its pixels")


def _levels(page: TiffPage, name: str) -> tuple[UInt8Image, tuple[str, ...], str]:
    """Pixels uint8 `[H, W, C]`, or `[H, W]` of grey; the kind of transparency in their last channel; how scaled."""
    kind = int(page.photometric)
    count = _CHANNELS.get(kind, 0)
    is_number = page.dtype is not None and page.dtype.kind in "buif"  # not complex
    if not count or page.imagedepth != 1 or page.samplesperpixel < count or not is_number:
        raise ImageError(_unknown_pixels(name))
    values = _values(page, name)
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8 * values.dtype.itemsize
    if kind in (CIELAB, ICCLAB):
        colours, note = lab_levels(values[..., :count], kind), f"{bits} bits a channel" if bits > 8 else ""
    else:
        colours, note = scaled(values[..., :count], bits)
    if kind == _WHITE_IS_ZERO:
        colours = 255 - colours
    kinds = [_TRANSPARENCY.get(int(extra)) for extra in page.extrasamples[: values.shape[2] - count]]
    found = next(((place, extra) for place, extra in enumerate(kinds, count) if extra), None)
    if found is None or kind == _CMYK:  # Pillow has no CMYK with transparency
        return colours if count > 1 else colours[..., 0], (), note
    alpha, _ = scaled(values[..., found[0] : found[0] + 1], bits)
    return np.concatenate((colours, alpha), axis=2), (found[1],), note


def _values(page: TiffPage, name: str) -> NDArray[Any]:
    """All channels as the file has them, `[H, W, C]`."""
    try:
        values = page.asarray()
    except (ValueError, NotImplementedError) as error:
        if "imagecodecs" in str(error):
            raise MissingCodecError(name, int(page.compression) in _USUAL_COMPRESSIONS) from error
        if isinstance(error, NotImplementedError):
            raise ImageError(_unknown_pixels(name)) from error
        raise
    planes, _, height, width, samples = page.shaped  # of planes and samples one is 1
    return np.moveaxis(values.reshape(planes, height, width, samples), 0, 2).reshape(height, width, planes * samples)


def _unknown_pixels(name: str) -> str:
    return f"{name} holds pixels of a kind that cannot be read: save it as RGB with 8 or 16 bits a channel."


def _as_written(tag: TiffTag) -> tuple[int, int, int, Any, bool]:
    value = tag.value
    if isinstance(value, str) and not value.isascii():  # though the format allows nothing else
        value = value.encode("utf-8", "replace")
    count = len(value) + 1 if isinstance(value, bytes) and int(tag.dtype) == _TEXT else tag.count
    return tag.code, int(tag.dtype), count, value, True


def _resolution(page: TiffPage) -> dict[str, Any]:
    with contextlib.suppress(Exception):  # of damaged tags
        unit = int(page.resolutionunit)
        return {"resolution": page.get_resolution(), "resolutionunit": unit} if unit in (2, 3) else {}
    return {}
