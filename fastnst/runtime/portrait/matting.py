"""One line for a user: `Matting().cutout("portrait.jpg")`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.images.inputs import PhotoInput, as_pixels
from fastnst.runtime.portrait.compositing import estimate_foreground
from fastnst.runtime.portrait.compositor import NoPersonError, Portrait, PortraitOptions, cut_out
from fastnst.runtime.portrait.matting_model import MODELS, MattingModel, has_person, resolve_matting_model


class Matting:
    """Finds the people in photos: mattes, cut-outs, composites. The model stays open between calls.

    A photo is a file, a Pillow image, uint8 RGB `[H, W, 3]`, or an encoded picture as bytes or a binary stream, at
    least 16×16 pixels. Threads may share one object.

    Args:
        model: `ours` (small, ships), `modnet` (the official one, downloaded once), or a matting model file (.onnx).
        provider: `auto` (the fastest that works), `cpu`, `cuda` or `tensorrt`.
        threads: CPU threads, at most the cores that this process may use; None takes all of these.

    Raises `ModelError` for a file that is not a matting model, `DownloadError` if the official one cannot be had,
    `ConfigError` for a provider that cannot be had, `MissingDependencyError` without onnxruntime.
    """

    def __init__(self, model: str | Path = "ours", provider: str = "auto", threads: int | None = None) -> None:
        path = resolve_matting_model(str(model)) if model in MODELS else resolve_matting_model(file=Path(model))
        self.model = MattingModel(path, provider, threads)

    def __call__(self, photo: PhotoInput, *, max_size: int | None = None) -> FloatPlane:
        """The alpha matte: float32 `[H, W]` in [0, 1], 1 where people are; 0 everywhere if nobody is found.

        `max_size` reduces the photo to this long side in pixels first. Raises `ImageError` for what cannot be read or
        is too small.
        """
        return self.model.people(as_pixels(photo, max_size))

    def cutout(self, photo: PhotoInput, *, max_size: int | None = None) -> Image.Image:
        """The people on transparency, mode RGBA, the old background's colours removed from their outlines.

        Raises `ImageError` as a call does, and `NoPersonError` if nobody is found.
        """
        pixels, alpha = self._person(photo, max_size)
        return Image.fromarray(cut_out(estimate_foreground(pixels, alpha).foreground, alpha))

    def composite(self, photo: PhotoInput, background: str | Path, *, max_size: int | None = None) -> Image.Image:
        """The people before another background, mode RGB.

        Args:
            photo, max_size: as for a call.
            background: a colour `#rrggbb`, `blur` (the photo's own, out of focus) or a picture file, which is cropped
                to the photo's aspect.

        Raises `ImageError` as a call does, and `NoPersonError` if nobody is found; `ConfigError` for a background that
        does not exist.
        """
        portrait = Portrait(PortraitOptions("person", str(background)), self.model)
        pixels, alpha = self._person(photo, max_size)
        return Image.fromarray(portrait(pixels, pixels, alpha))

    def _person(self, photo: PhotoInput, max_size: int | None) -> tuple[UInt8Image, FloatPlane]:
        pixels = as_pixels(photo, max_size)
        alpha = self.model.people(pixels)
        if not has_person(alpha):
            raise NoPersonError("no person was found: there is nothing to cut out.")
        return pixels, alpha
