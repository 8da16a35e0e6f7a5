"""The photo that ships, for examples, demos and checks of precision."""

from __future__ import annotations

from pathlib import Path


def sample_photo() -> Path:
    """The official portrait of Grace Hopper (US Navy, 1984; public domain), 410×480 pixels, a JPEG file."""
    return Path(__file__).with_name("sample.jpg")
