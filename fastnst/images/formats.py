"""Which picture formats there are, by suffix."""

from __future__ import annotations

try:  # HEIC comes for free where the plugin is installed: pip install "fastnst[heic]"
    from pillow_heif import register_heif_opener

    register_heif_opener()
    _HEIC: tuple[str, ...] = (".heic", ".heif")
except ImportError:
    _HEIC = ()

READABLE = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", *_HEIC)
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", *_HEIC)  # that can be written
