"""Small picture files of every kind, made here."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.conftest import gradient

IPTC = b"\x1c\x02\x69\x00\x05Beach" + b"\x1c\x02\x19\x00\x03sea"  # a headline and a keyword
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    b' xmp:Rating="4" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def described(path: Path) -> None:
    """A JPEG with everything: EXIF, XMP, IPTC, a comment, 300 dpi."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8298], exif[0x0112] = "A Camera", "© Ämilie".encode(), 6
    exif[0x8769] = {0x829A: 0.004, 0xA002: 9999}
    content = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
    segment = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
    Image.fromarray(gradient(20, 30)).save(
        path, exif=exif, xmp=XMP, comment="hello", dpi=(300, 300), extra=segment, quality=95
    )


def jpeg_with_exif(tags: Sequence[tuple[int, int, bytes | int]]) -> bytes:
    """A JPEG of 30×20 pixels whose EXIF block holds these (tag, type, value), whatever they mean."""
    return jpeg_with_block(exif_block(tags))


def jpeg_with_block(block: bytes) -> bytes:
    """A JPEG of 30×20 pixels with this EXIF block."""
    encoded = io.BytesIO()
    Image.fromarray(gradient(20, 30)).save(encoded, "JPEG")
    content = encoded.getvalue()
    body = b"Exif\0\0" + block
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]


def exif_block(tags: Sequence[tuple[int, int, bytes | int]]) -> bytes:
    """A TIFF header with one directory of (tag, type, value); bytes are one value each, numbers stand in the entry."""
    entries, heap = b"", b""
    start = 8 + 2 + 12 * len(tags) + 4
    for tag, kind, value in tags:
        if isinstance(value, int):
            entries += struct.pack("<HHIHH" if kind == 3 else "<HHII", tag, kind, 1, value, *([0] if kind == 3 else []))
        elif len(value) <= 4:
            entries += struct.pack("<HHI4s", tag, kind, len(value), value)
        else:
            entries += struct.pack("<HHII", tag, kind, len(value), start + len(heap))
            heap += value
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + entries + bytes(4) + heap
