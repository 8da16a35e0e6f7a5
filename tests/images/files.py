"""Small picture files of every kind, made here."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
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


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG that says it has this size, whatever its compressed pixels are."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# Primaries as columns of XYZ under D50, and the exponent: from the published definitions of each space.
SPACES = {
    "Display P3": (((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)), 2.2),
    "Adobe RGB": (((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 2.19921875),
    "ProPhoto": (((0.79767, 0.28804, 0.00000), (0.13519, 0.71188, 0.00000), (0.03134, 0.00009, 0.82491)), 1.8),
}
_D50 = (0.9642, 1.0, 0.8249)
_SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def encoded_in(space: str, pixels: np.ndarray) -> np.ndarray:
    """sRGB pixels, uint8 `[H, W, 3]`, as the numbers of another space, by the formulas and without a library."""
    primaries, gamma = SPACES[space]
    values = pixels / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    there = linear @ _SRGB.T @ np.linalg.inv(np.array(primaries))
    return np.rint(np.clip(there, 0, 1) ** (1 / gamma) * 255).astype(np.uint8)


def rgb_profile(space: str) -> bytes:
    """The ICC profile of a space of `SPACES`: three primaries and an exponent."""
    primaries, gamma = SPACES[space]
    curve = b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(gamma * 256))
    tags = {name: _xyz(value) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey pictures."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(gamma * 256))})


def cmyk_profile(cyan: tuple[float, float, float]) -> bytes:
    """An ICC profile of printing inks, linear between the corners; Lab of full cyan as given, more ink is darker."""
    corners = b""
    for corner in range(16):
        inks = [corner >> bit & 1 for bit in (3, 2, 1, 0)]
        lab = (100 * 0.5 ** sum(inks), 0.0, 0.0)
        if inks == [1, 0, 0, 0]:
            lab = cyan
        if inks[3] or sum(inks) == 4:
            lab = (0, 0, 0)
        corners += bytes((round(lab[0] * 2.55), round(lab[1] + 128), round(lab[2] + 128)))
    identity = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    ramp = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + corners + ramp * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, kind=b"prtr")


def _xyz(value: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65536) for part in value))


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    text = b"fastnst test\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": description, b"wtpt": _xyz(_D50), b"cprt": b"text" + bytes(4) + text, **tags}
    at = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        directory += name + struct.pack(">II", at + len(body), len(content))
        body += content
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, kind, space, connection) + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", *(round(part * 65536) for part in _D50))
    return header + bytes(128 - len(header)) + directory + body
