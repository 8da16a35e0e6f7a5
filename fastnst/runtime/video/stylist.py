"""Frames through a style: the engine's stage and the stage that finishes its pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from fastnst.errors import ModelError
from fastnst.runtime.color import blend, transfer_luminance
from fastnst.runtime.stylizer import Stylizer, check_strength
from fastnst.runtime.video.clip import Frame
from fastnst.runtime.video.pipeline import Stage
from fastnst.runtime.video.smooth import Smoother

_GPU_BATCH = 4  # frames; a CPU gains nothing from batches


class FrameStylist:
    """What is done to every frame.

    Args:
        stylizer: an open style.
        strength, preserve_color: as for photos.
        smooth: calm what flickers where the input stands still.
        batch: frames for one call of the engine; None chooses by the provider.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        strength: float = 1.0,
        preserve_color: bool = False,
        smooth: bool = False,
        batch: int | None = None,
    ) -> None:
        self._model = stylizer.model
        self._strength = check_strength(strength)
        self._preserve_color = preserve_color
        self._smoother = Smoother() if smooth else None
        self._batch = batch or (_GPU_BATCH if stylizer.model.provider in ("cuda", "tensorrt") else 1)

    @property
    def stages(self) -> list[Stage]:
        """The pipeline's stages; the second one is there only if it has something to do."""
        engine = Stage("engine", self.restyle, self._batch)
        plain = self._strength == 1 and not self._preserve_color and self._smoother is None
        return [engine] if plain else [engine, Stage("finish", self.finish)]

    def restyle(self, frames: list[Frame]) -> list[tuple[Frame, Frame]]:
        """Each frame and its restyled picture."""
        try:
            pictures = self._model(np.stack([frame.rgb for frame in frames]))
        except Exception as error:  # onnxruntime's exceptions share no base below Exception
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise ModelError(f"the engine failed ({str(error).splitlines()[0][:160]}).") from error
        return [(frame, replace(frame, rgb=picture)) for frame, picture in zip(frames, pictures, strict=True)]

    def finish(self, pairs: list[tuple[Frame, Frame]]) -> list[tuple[Frame, Frame]]:
        """Colours, smoothing and strength, in this order."""
        finished = []
        for frame, picture in pairs:
            rgb = picture.rgb
            photo = Image.fromarray(frame.rgb)
            if self._preserve_color:
                rgb = np.asarray(transfer_luminance(photo, Image.fromarray(rgb)))
            if self._smoother is not None:
                rgb = self._smoother(frame.rgb, rgb)
            if self._strength != 1:
                rgb = np.asarray(blend(photo, Image.fromarray(rgb), self._strength))
            finished.append((frame, replace(picture, rgb=rgb)))
        return finished
