"""The pipeline's stages: matting, engine, finish, composite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from fastnst.errors import ModelError
from fastnst.runtime.engine.session import first_line, is_engine_error
from fastnst.runtime.imaging.color import blend, transfer_luminance
from fastnst.runtime.portrait.compositor import Portrait
from fastnst.runtime.stroke_size import at_stroke, check_stroke
from fastnst.runtime.stylizer import Stylizer, check_strength
from fastnst.runtime.temporal import Smoother
from fastnst.runtime.video.pipeline import Stage
from fastnst.runtime.video.types import Frame

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


class FramePortraits:
    """Finds people in every frame, and composes frames with their restyled pictures.

    The two are stages of their own: a matte needs the frame only, so it is found while the engine restyles others.

    Args:
        portrait: made for video; its mattes are smoothed from frame to frame, so frames must come in order.
    """

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self.before, self.after = Stage("matting", self.find), Stage("composite", self.compose)

    def find(self, frames: list[Frame]) -> list[Frame]:
        """Each frame with its matte."""
        with engine_failures("matting model"):
            return [replace(frame, alpha=self._portrait.find(frame.rgb)) for frame in frames]

    def compose(self, pairs: list[tuple[Frame, Frame]]) -> list[tuple[Frame, Frame]]:
        """Each restyled picture made a portrait."""
        with engine_failures("engine"):  # the background's style runs here
            return [
                (frame, replace(picture, rgb=self._portrait(frame.rgb, picture.rgb, frame.alpha), alpha=None))
                for frame, picture in pairs
            ]


class FrameMattes:
    """A clip's mattes, cut-outs or composites, without any style.

    Args:
        portrait: made for video; of mode `cutout`, or with a background. For mattes, any.
        kind: `alpha`, or another for what the portrait makes.
        grey: write mattes with one channel, which video files do not take.
    """

    def __init__(self, portrait: Portrait, kind: str, *, grey: bool = False) -> None:
        self._people = FramePortraits(portrait)
        self._kind, self._grey = kind, grey

    @property
    def stages(self) -> list[Stage]:
        """The pipeline's stages."""
        last = Stage("mattes", self.show) if self._kind == "alpha" else Stage("composite", self.compose)
        return [self._people.before, last]

    def show(self, frames: list[Frame]) -> list[tuple[Frame, Frame]]:
        """Each frame and its matte as a picture: white where people are."""
        return [(frame, replace(frame, rgb=self._levels(frame), alpha=None)) for frame in frames]

    def compose(self, frames: list[Frame]) -> list[tuple[Frame, Frame]]:
        """Each frame and its people before another background, or before none."""
        return self._people.compose([(frame, frame) for frame in frames])

    def _levels(self, frame: Frame) -> np.ndarray:
        levels: np.ndarray = np.rint(np.asarray(frame.alpha) * 255).astype(np.uint8)
        return levels if self._grey else np.repeat(levels[..., None], 3, axis=2)


@contextlib.contextmanager
def engine_failures(what: str) -> Iterator[None]:
    """Tell an engine's failures as `ModelError`, in one sentence."""
    try:
        yield
    except Exception as error:
        if not is_engine_error(error):
            raise
        raise ModelError(f"the {what} failed ({first_line(error)}).") from error
