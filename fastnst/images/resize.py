"""Resize and trim pictures."""

from __future__ import annotations

from PIL import Image

from fastnst.errors import ConfigError


def trimmed(image: Image.Image, share: float) -> Image.Image:
    """The image without a share of its width at the left and right, and of its height at the top and bottom.

    Raises `ConfigError` for a share that is not from 0 to less than a half.
    """
    if not 0 <= share < 0.5:
        raise ConfigError(f"style_trim must be from 0 to less than 0.5, not {share}: it is left off at each border.")
    across, down = round(share * image.width), round(share * image.height)
    return image.crop((across, down, image.width - across, image.height - down))


def resize_long_side(image: Image.Image, size: int) -> Image.Image:
    """Scale so that the long side is `size` pixels (Lanczos); the aspect stays."""
    return resized(image, _scaled(image.size, size / max(image.size)))


def resize_short_side(image: Image.Image, size: int) -> Image.Image:
    """Scale so that the short side is `size` pixels (Lanczos); the aspect stays."""
    return resized(image, short_side_size(image.size, size))


def short_side_size(size: tuple[int, int], short: int) -> tuple[int, int]:
    """The width and height of a picture of `size` whose short side becomes `short` pixels."""
    return _scaled(size, short / min(size))


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image at this width and height (Lanczos)."""
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
