"""Metadata of a picture's file, and the way each format holds it."""

from __future__ import annotations

import contextlib
import math
import re
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin
from PIL.ExifTags import Base

from fastnst.images.color import srgb_profile
from fastnst.images.exif import parsed_exif, read_exif, read_tiff_tags

_MAX_TEXT_BYTES = 1 << 20  # bytes of one comment, text or XMP packet; more is not a description
_MAX_SEGMENT_BYTES = 65_000  # bytes that a segment of a JPEG holds, about
_XMP_CHUNK = "XML:com.adobe.xmp"
_IPTC_TAG, _XMP_TAG, _PHOTOSHOP_TAG = 33723, 700, 34377
_IPTC_RESOURCE = 0x0404
_JFIF_UNITS = (1, 2)  # inches and centimetres; 0 is none
_CENTIMETRES = 2.54  # in an inch
_STRUCTURAL_TEXTS = ("Raw profile", "XML:com.adobe.xmp", "date:", "exif:", "icc:", "Software")


@dataclass(frozen=True)
class Metadata:
    """The metadata of a file.

    Attributes:
        icc: its colour profile, or sRGB's in place of one for grey or inks; the working pixels are in sRGB in any case.
        exif: the descriptive tags (see `read_exif`).
        xmp: the XMP packet: rating, keywords, title.
        iptc: the IPTC record of news agencies and stock libraries.
        comment: of JPEG, GIF and PNG, as bytes.
        texts: further texts of a PNG, by their keys.
        dpi: dots per inch, across and down.
        pages: how many pages there are (TIFF); 1 elsewhere.
        frames: how many frames an animation has; 1 for a still picture.
        notes: in words, what of the pixels 8-bit sRGB could not hold.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None
    pages: int = 1
    frames: int = 1
    notes: tuple[str, ...] = ()


def read_metadata(image: Image.Image) -> Metadata:
    """The metadata of an open and loaded picture; what is damaged is left out."""
    texts = _texts(image)
    comment = image.info.get("comment") or texts.pop("Comment", None)
    return Metadata(
        icc=_profile(image.info.get("icc_profile")),
        exif=read_exif(image),
        xmp=_xmp(image),
        iptc=_iptc(image),
        comment=_bounded(comment),
        texts=texts,
        dpi=_dpi(image),
    )


def save_options(metadata: Metadata, pillow_format: str) -> dict[str, Any]:
    """The options of Pillow's `save` that write it all, except the profile, in one format."""
    options: dict[str, Any] = {}
    has_dpi = pillow_format in ("JPEG", "PNG", "TIFF")
    if metadata.dpi is not None and has_dpi:
        options["dpi"] = metadata.dpi
    if pillow_format == "TIFF":
        return {**options, "tiffinfo": _tiff_directory(metadata)}
    exif = parsed_exif(metadata.exif, None if has_dpi else metadata.dpi)
    if len(exif):
        options["exif"] = exif
    if pillow_format == "PNG":
        return {**options, "pnginfo": _png_texts(metadata)}
    if metadata.xmp is not None and (pillow_format != "JPEG" or len(metadata.xmp) <= _MAX_SEGMENT_BYTES):
        options["xmp"] = metadata.xmp
    if pillow_format == "JPEG":
        if metadata.iptc is not None and len(metadata.iptc) <= _MAX_SEGMENT_BYTES:
            options["extra"] = _iptc_segment(metadata.iptc)
        if metadata.comment is not None:
            options["comment"] = metadata.comment[:_MAX_SEGMENT_BYTES]
    return options


def _profile(profile: object) -> bytes | None:
    if not isinstance(profile, bytes) or profile[36:40] != b"acsp":
        return None
    return profile if profile[16:20] == b"RGB " else srgb_profile()


def _tiff_directory(metadata: Metadata) -> TiffImagePlugin.ImageFileDirectory_v2:
    directory = read_tiff_tags(metadata.exif)
    for tag, content in ((_XMP_TAG, metadata.xmp), (_IPTC_TAG, metadata.iptc)):
        if content is not None:
            directory.tagtype[tag] = 1 if tag == _XMP_TAG else 7
            directory[tag] = content
    return directory


def _png_texts(metadata: Metadata) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    if metadata.xmp is not None:
        with contextlib.suppress(UnicodeDecodeError):
            info.add_itxt(_XMP_CHUNK, metadata.xmp.decode("utf-8"))
    texts = dict(metadata.texts)
    if metadata.comment is not None:
        texts["Comment"] = metadata.comment.decode("utf-8", "replace")
    for key, text in texts.items():
        if text.isascii():
            info.add_text(key, text)
        else:
            info.add_itxt(key, text)
    return info


def _iptc_segment(iptc: bytes) -> bytes:
    """An APP13 segment with the record as Photoshop writes it."""
    content = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">H2xI", _IPTC_RESOURCE, len(iptc)) + iptc
    content += b"\0" * (len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def _texts(image: Image.Image) -> dict[str, str]:
    if image.format != "PNG":
        return {}
    texts: dict[str, str] = {}
    with contextlib.suppress(Exception):  # whatever Pillow makes of damaged chunks
        for key, text in getattr(image, "text", {}).items():
            known = not key.startswith(_STRUCTURAL_TEXTS)
            if known and 0 < len(key) < 80 and key.isascii() and len(text) <= _MAX_TEXT_BYTES:
                texts[key] = str(text)
    return texts


def _xmp(image: Image.Image) -> bytes | None:
    packet = _bounded(image.info.get("xmp") or image.info.get(_XMP_CHUNK))
    if packet is None:
        return None
    # The pixels are upright now, and readers that trust XMP more than EXIF would turn them again.
    packet = re.sub(rb'(tiff:Orientation\s*=\s*["\'])[2-8]', rb"\g<1>1", packet)
    return re.sub(rb"(<tiff:Orientation>\s*)[2-8]", rb"\g<1>1", packet)


def _iptc(image: Image.Image) -> bytes | None:
    with contextlib.suppress(Exception):  # whatever is in there
        if image.format == "TIFF":
            tags = image.tag_v2  # type: ignore[attr-defined]
            found = tags.get(_IPTC_TAG)
            if isinstance(found, tuple):
                found = struct.pack(f"{len(found)}I", *found)
            return _bounded(found or _resource(tags.get(_PHOTOSHOP_TAG)))
        resources = image.info.get("photoshop")
        return _bounded(resources.get(_IPTC_RESOURCE)) if isinstance(resources, dict) else None
    return None


def _resource(block: object) -> bytes | None:
    """The IPTC record among Photoshop's resources."""
    if not isinstance(block, bytes):
        return None
    at = block.find(b"8BIM" + struct.pack(">H", _IPTC_RESOURCE))
    if at < 0:
        return None
    name = block[at + 6]
    start = at + 6 + (name + 2) // 2 * 2
    (size,) = struct.unpack_from(">I", block, start)
    return block[start + 4 : start + 4 + size]


def _bounded(content: object) -> bytes | None:
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    return content if isinstance(content, bytes) and 0 < len(content) <= _MAX_TEXT_BYTES else None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """The format's own resolution, else that of the EXIF block, which is all that WebP, AVIF and HEIF have."""
    found = None
    with contextlib.suppress(Exception):  # whatever is in there
        is_said = image.format not in ("JPEG", "MPO") or image.info.get("jfif_unit") in _JFIF_UNITS
        found = image.info.get("dpi") if is_said else None  # without one Pillow makes it up for a JPEG
        if found is None:
            exif = image.getexif()
            unit = _CENTIMETRES if exif.get(Base.ResolutionUnit) == 3 else 1.0
            if exif.get(Base.ResolutionUnit, 2) in (2, 3):
                found = (exif[Base.XResolution] * unit, exif[Base.YResolution] * unit)
        across, down = (float(value) for value in found or ())
        if all(math.isfinite(value) and 1 < value <= 32_000 for value in (across, down)):
            return across, down
    return None
