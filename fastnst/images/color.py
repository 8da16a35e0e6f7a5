"""Colour profiles: pixels to sRGB for the network, and back for those who want their profile kept."""

from __future__ import annotations

import functools
import io
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageCms

_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACES = {"RGB": ("RGB",), "GRAY": ("L",), "CMYK": ("CMYK",), "Lab": ("LAB",)}  # a profile's space: Pillow's modes
_MAX_EQUAL_LEVELS = 1  # levels; profiles that agree to this on all probes are sRGB under another name
Space: TypeAlias = Any  # a colour space of LittleCMS, in either of Pillow's two classes, one of which it hides
_DATE = slice(24, 36)  # of a profile's making, in its header


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An 8-bit picture (RGB, L, CMYK, LAB) in sRGB, mode RGB; relative colorimetric with black point compensation.

    Without a profile, or with one that is damaged or made for other pixels, RGB and grey are taken as sRGB, and CMYK is
    converted without one.
    """
    if image.mode == "LAB":
        return _converted(image, ImageCms.createProfile("LAB"), srgb()) or image.getchannel(0).convert("RGB")
    parsed = _parsed(profile) if profile else None
    if parsed is not None and image.mode == "L" and parsed.profile.xcolor_space.strip() == "RGB":
        image = image.convert("RGB")  # grey pixels of a photo that was saved without its colours
    if parsed is None or image.mode not in _SPACES.get(parsed.profile.xcolor_space.strip(), ()):
        return image.convert("RGB")
    if profile is not None and image.mode == "RGB" and is_srgb(profile):
        return image
    return _converted(image, parsed, srgb()) or image.convert("RGB")


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """An sRGB picture in an RGB profile's own numbers, or None if the profile cannot be used for output."""
    parsed = _parsed(profile)
    if parsed is None or parsed.profile.xcolor_space.strip() != "RGB":
        return None
    return _converted(image, srgb(), parsed)


@functools.lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """True if an RGB profile leaves numbers as sRGB has them, by a grid of colours and the greys."""
    parsed = _parsed(profile)
    if parsed is None or parsed.profile.xcolor_space.strip() != "RGB":
        return False
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(9, 81, 3)
    seen = _converted(Image.fromarray(grid), parsed, srgb())
    return seen is not None and int(np.abs(np.asarray(seen, int) - grid).max()) <= _MAX_EQUAL_LEVELS


@functools.lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The sRGB profile for tagging; the same bytes on every day."""
    content = ImageCms.ImageCmsProfile(srgb()).tobytes()
    date = bytes((0x07, 0xCF, 0, 6, 0, 9, 0, 0, 0, 0, 0, 0))  # IEC 61966-2-1:1999
    return content[: _DATE.start] + date + content[_DATE.stop :]


def srgb() -> Space:
    """The sRGB colour space."""
    return ImageCms.createProfile("sRGB")


def _parsed(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


def _converted(image: Image.Image, source: Space, target: Space) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(
            image,
            source,
            target,
            renderingIntent=_INTENT,
            outputMode="RGB",
            flags=_FLAGS,
        )
    except (ImageCms.PyCMSError, ValueError, TypeError, OSError):
        return None
