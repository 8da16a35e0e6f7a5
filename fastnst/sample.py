"""The photos that ship: one for examples, demos and checks of precision, a few to learn a first style from."""

from __future__ import annotations

from pathlib import Path

SAMPLE_PHOTOS = "sample"  # what --photos takes for those that ship


def sample_photo() -> Path:
    """The official portrait of Grace Hopper (US Navy, 1984; public domain), 410×480 pixels, a JPEG file."""
    return Path(__file__).with_name("sample.jpg")


def sample_photos() -> Path:
    """A folder of eight other public-domain photos with a short side of 288 pixels or more, JPEG files."""
    return Path(__file__).with_name("photos")
