"""Frames through a style: the engine's stage and the stage that finishes its pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from fastnst.runtime.color import blend, transfer_luminance
from fastnst.runtime.portrait import Portrait
from fastnst.runtime.stroke import at_stroke, check_stroke
from fastnst.runtime.stylizer import Stylizer, check_strength
from fastnst.runtime.video.clip import Frame
from fastnst.runtime.video.people import FramePortraits, engine_failures
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
        portrait: tells people from the background; None restyles the whole picture.
        stroke: size of the strokes, as for photos.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        strength: float = 1.0,
        preserve_color: bool = False,
        smooth: bool = False,
        batch: int | None = None,
        portrait: Portrait | None = None,
        *,
        stroke: float = 1.0,
    ) -> None:
        self._model = stylizer.model
        self._strength = check_strength(strength)
        self._preserve_color = preserve_color
        self._stroke = check_stroke(stroke)
        self._smoother = Smoother() if smooth else None
        self._batch = batch or (_GPU_BATCH if stylizer.model.provider in ("cuda", "tensorrt") else 1)
        self._people = FramePortraits(portrait) if portrait else None

    @property
    def stages(self) -> list[Stage]:
        """The pipeline's stages; those that have nothing to do are left out."""
        stages = [Stage("engine", self.restyle, self._batch)]
        if self._strength != 1 or self._preserve_color or self._smoother is not None:
            stages.append(Stage("finish", self.finish))
        return [self._people.before, *stages, self._people.after] if self._people else stages

    def restyle(self, frames: list[Frame]) -> list[tuple[Frame, Frame]]:
        """Each frame and its restyled picture."""
        with engine_failures("engine"):
            pictures = at_stroke(self._model, np.stack([frame.rgb for frame in frames]), self._stroke)
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
