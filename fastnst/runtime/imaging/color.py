"""Keep the photo's colours, take the painting's light and strokes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fastnst.array_types import UInt8Image

# Luma weights of ITU-R BT.601, the ones of JPEG's YCbCr.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def transfer_luminance(photo: UInt8Image, stylized: UInt8Image) -> UInt8Image:
    """The stylized picture's luminance with the photo's chroma (Gatys et al. 2016b, "Preserving Color in NST").

    Adding one value to R, G and B changes the luma by that value and no chroma. The luminance is first matched to
    the photo's mean and spread (ibid., eq. 4), or a dark painting would make every photo dark. Where
    a colour would leave the gamut, its chroma is reduced towards grey at the same luma instead of being clipped,
    which would change its hue.

    Both pictures are uint8 `[H, W, 3]` of one size; so is the result.
    """
    colours = photo.astype(np.float32)
    photo_luma = colours @ _LUMA
    luma = stylized.astype(np.float32) @ _LUMA
    spread = luma.std()
    if spread > 0:
        luma = (luma - luma.mean()) * (photo_luma.std() / spread) + photo_luma.mean()
    luma = np.clip(luma, 0, 255)[..., None]
    chroma = colours - photo_luma[..., None]
    # The largest share of the chroma that fits between black and white at this luma.
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(chroma > 0, (255 - luma) / chroma, np.where(chroma < 0, -luma / chroma, np.inf))
    share = np.minimum(1, room.min(axis=-1, keepdims=True))
    levels: UInt8Image = np.rint(luma + share * chroma).clip(0, 255).astype(np.uint8)
    return levels


def blend(photo: UInt8Image, stylized: UInt8Image, strength: float) -> UInt8Image:
    """`strength` of the stylized picture over the photo: 0 is the photo, 1 the style; uint8 `[H, W, 3]` of one size."""
    if strength == 1:
        return stylized
    # Pillow's blend of bytes is several times as fast as numpy's by way of floats.
    return np.asarray(Image.blend(Image.fromarray(photo), Image.fromarray(stylized), strength))
