"""Keep the photo's colours, take the painting's light and strokes."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Luma weights of ITU-R BT.601, the ones of JPEG's YCbCr.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def transfer_luminance(photo: Image.Image, stylized: Image.Image) -> Image.Image:
    """The stylized picture's luminance with the photo's chroma (Gatys et al. 2016b, "Preserving Color in NST").

    Adding one value to R, G and B changes the luma by that value and no chroma. The luminance is first matched to
    the photo's mean and spread (ibid., eq. 4), or a dark painting would make every photo dark. Where
    a colour would leave the gamut, its chroma is reduced towards grey at the same luma instead of being clipped,
    which would change its hue.

    Both pictures are mode RGB of the same size; so is the result.
    """
    colours = np.asarray(photo, dtype=np.float32)  # [H, W, 3]
    photo_luma = colours @ _LUMA
    luma = np.asarray(stylized, dtype=np.float32) @ _LUMA
    spread = luma.std()
    if spread > 0:
        luma = (luma - luma.mean()) * (photo_luma.std() / spread) + photo_luma.mean()
    luma = np.clip(luma, 0, 255)[..., None]
    chroma = colours - photo_luma[..., None]
    # The largest share of the chroma that fits between black and white at this luma.
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(chroma > 0, (255 - luma) / chroma, np.where(chroma < 0, -luma / chroma, np.inf))
    share = np.minimum(1, room.min(axis=-1, keepdims=True))
    return Image.fromarray(np.rint(luma + share * chroma).clip(0, 255).astype(np.uint8))


def blend(photo: Image.Image, stylized: Image.Image, strength: float) -> Image.Image:
    """`strength` of the stylized picture over the photo: 0 is the photo, 1 the style. Same size, mode RGB."""
    return stylized if strength == 1 else Image.blend(photo, stylized, strength)
