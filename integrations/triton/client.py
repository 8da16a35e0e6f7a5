"""Restyle a photo by a Triton server whose repository `fastnst triton` wrote: python client.py PHOTO STYLE OUT [URL].

Needs pip install "tritonclient[http]" pillow numpy, and nothing of fastnst.
"""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.http as triton
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")  # not all of Pillow's: one of them starts another program


def restyle(photo: np.ndarray, style: str, url: str = "localhost:8000") -> np.ndarray:
    """A photo, uint8 RGB `[H, W, 3]`, restyled by the server's model of this name."""
    client = triton.InferenceServerClient(url)
    image = triton.InferInput("image", [1, *photo.shape], "UINT8")
    image.set_data_from_numpy(photo[None])
    answer = client.infer(style, [image], outputs=[triton.InferRequestedOutput("stylized")])
    return answer.as_numpy("stylized")[0]


if __name__ == "__main__":
    photo, style, output, *url = sys.argv[1:]
    with Image.open(photo, formats=FORMATS) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    Image.fromarray(restyle(pixels, style, *url)).save(output)
