"""Picture formats: which can be read and written here, by suffix, and what each can hold."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from PIL import features

try:  # pip install "fastnst[heic]"
    from pillow_heif import register_heif_opener

    register_heif_opener()
    HAS_HEIF = True
except ImportError:
    HAS_HEIF = False

HAS_AVIF = "avif" in features.modules and features.check("avif") is True  # from Pillow 11.3 on
HAS_RAW = importlib.util.find_spec("rawpy") is not None  # pip install "fastnst[raw]"


@dataclass(frozen=True)
class Format:
    """A format that pictures are written in.

    Attributes:
        pillow: its name in Pillow.
        alpha: whether it holds transparency.
        lossy: whether `quality` means something.
        longest_side: in pixels; above it the format cannot be written.
        pages: whether one file holds several pictures.
    """

    pillow: str
    alpha: bool = True
    lossy: bool = True
    longest_side: int = 2**31 - 1
    pages: bool = False


_JPEG = Format("JPEG", alpha=False, longest_side=65_500)  # libjpeg's own limit, below the format's 65,535
_PNG = Format("PNG", lossy=False)
_WEBP = Format("WEBP", longest_side=16_383)
_TIFF = Format("TIFF", lossy=False, pages=True)
_AVIF = Format("AVIF", longest_side=65_536)
_HEIF = Format("HEIF", longest_side=16_384)

_JPEG_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".jpe")
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
AVIF_SUFFIXES = (".avif",)
RAW_SUFFIXES = (
    ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".raf", ".pef", ".srw",
    ".3fr", ".fff", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".rwl", ".x3f",
)  # fmt: skip

WRITABLE: dict[str, Format] = {
    **dict.fromkeys((".jpg", ".jpeg"), _JPEG),
    ".png": _PNG,
    ".webp": _WEBP,
    **dict.fromkeys((".tif", ".tiff"), _TIFF),
    **dict.fromkeys((".jfif", ".jpe"), _JPEG),
    **(dict.fromkeys(AVIF_SUFFIXES, _AVIF) if HAS_AVIF else {}),
    **(dict.fromkeys(HEIF_SUFFIXES, _HEIF) if HAS_HEIF else {}),
}
SUFFIXES = tuple(WRITABLE)
OPAQUE = _JPEG_SUFFIXES  # formats without transparency
READABLE = (
    *SUFFIXES,
    *(".bmp", ".dib", ".gif", ".apng", ".psd", ".qoi", ".jp2", ".jpx", ".jpf", ".j2k", ".j2c", ".jpc"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
    *(RAW_SUFFIXES if HAS_RAW else ()),
)

# What Pillow may take a file for, whatever its suffix says. Nothing here starts another program, as PostScript would.
OPENED = (
    "JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PSD", "PPM", "JPEG2000", "QOI",
    *(("AVIF",) if HAS_AVIF else ()),
    *(("HEIF",) if HAS_HEIF else ()),
)  # fmt: skip


def missing_reader(suffix: str) -> tuple[str, str] | None:
    """Reason why pictures of a suffix cannot be read here, with the remedy; None if they can, or are not pictures.

    >>> missing_reader(".jpg") is None
    True
    """
    if suffix in HEIF_SUFFIXES and not HAS_HEIF:
        return "HEIC photo", 'pip install "fastnst[heic]"'
    if suffix in RAW_SUFFIXES and not HAS_RAW:
        return "camera raw photo", 'pip install "fastnst[raw]"'
    if suffix in AVIF_SUFFIXES and not HAS_AVIF:
        return "AVIF photo", 'pip install "pillow>=11.3"'
    if suffix in (".svg", ".eps", ".jxl", ".jxr", ".ai", ".pdf", ".tga", ".exr", ".hdr", ".psb", ".xcf"):
        return f"{suffix[1:].upper()} file", "save it as PNG or JPEG first"
    return None


def written_suffix(suffix: str) -> str:
    """The suffix for the result of a picture of this suffix: its own if that can be written, else .jpg or .png."""
    if suffix in SUFFIXES:
        return suffix
    return ".jpg" if suffix in (*RAW_SUFFIXES, *HEIF_SUFFIXES, *AVIF_SUFFIXES) else ".png"


def size_problem(suffix: str, size: tuple[int, int]) -> str | None:
    """Reason why a picture of this size (width, height) cannot be written with this suffix, or None."""
    limit = WRITABLE[suffix].longest_side
    if max(size) <= limit:
        return None
    name = WRITABLE[suffix].pillow
    return (
        f"{name} holds at most {limit:,} pixels a side, not {size[0]}×{size[1]}:"
        f" write .png or .tiff, or reduce it with --max-size {limit}"
    )
