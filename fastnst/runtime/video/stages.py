"""The pipeline's stages: matting, engine, finish, portrait. One `Frame` goes through all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fastnst.array_types import UInt8Image
from fastnst.errors import ModelError
from fastnst.runtime.engine.session import first_line, is_engine_error
from fastnst.runtime.finishing import Finisher, RestyleOptions
from fastnst.runtime.portrait.compositor import Portrait
from fastnst.runtime.stroke_size import at_stroke
from fastnst.runtime.stylizer import Stylizer
from fastnst.runtime.video.pipeline import Stage
from fastnst.runtime.video.types import Frame

_GPU_BATCH = 4  # frames; a CPU gains nothing from batches
# Frames until what came before them is forgotten: 0.85⁶⁰ and 0.6²⁰ are less than half a level of 255.
_SMOOTHING_FRAMES = 60
_MATTE_FRAMES = 20


class FrameStylist:
    """The stages of a clip that is restyled.

    Args:
        stylizer: an open style.
        options: of the restyling; with `smooth` frames must come in order.
        batch: frames for one call of the engine; None chooses by the provider.
        portrait: made for video, separates people from the background; None restyles the whole picture.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        options: RestyleOptions | None = None,
        batch: int | None = None,
        portrait: Portrait | None = None,
    ) -> None:
        self._model = stylizer.model
        self._finisher = Finisher(options or RestyleOptions(), portrait)
        self._batch = batch or (_GPU_BATCH if stylizer.model.provider in ("cuda", "tensorrt") else 1)

    @property
    def warm_up(self) -> int:
        """Number of frames before one that its picture depends on."""
        if self._finisher.options.smooth:
            return _SMOOTHING_FRAMES
        return 0 if self._finisher.portrait is None else _MATTE_FRAMES

    @property
    def stages(self) -> list[Stage]:
        """The pipeline's stages; those that have nothing to do are left out.

        A matte needs the frame only, so it is found while the engine restyles others.
        """
        stages = [Stage("engine", self.restyle, self._batch)]
        if self._finisher.adjusts:
            stages.append(Stage("finish", self.adjust))
        if self._finisher.portrait is None:
            return stages
        return [Stage("matting", finder(self._finisher.portrait)), *stages, Stage("composite", self.compose)]

    def restyle(self, frames: list[Frame]) -> list[Frame]:
        """Each frame with its restyled picture."""
        stroke = self._finisher.options.stroke
        with engine_failures("engine"):
            pictures = at_stroke(self._model, np.stack([frame.rgb for frame in frames]), stroke)
        return [replace(frame, stylized=picture) for frame, picture in zip(frames, pictures, strict=True)]

    def adjust(self, frames: list[Frame]) -> list[Frame]:
        """Each restyled picture with its colours, smoothing and strength."""
        return [replace(frame, stylized=self._finisher.adjust(frame.rgb, frame.shown)) for frame in frames]

    def compose(self, frames: list[Frame]) -> list[Frame]:
        """Each restyled picture made a portrait."""
        with engine_failures("engine"):  # the background's style runs here
            return [
                replace(frame, stylized=self._finisher.compose(frame.rgb, frame.shown, frame.matte), matte=None)
                for frame in frames
            ]


class FrameMattes:
    """A clip's mattes, cut-outs or composites, without any style.

    Args:
        portrait: made for video; of mode `cutout`, or with a background. For mattes, any.
        kind: `alpha`, or another for what the portrait makes.
        grey: write mattes with one channel, which video files do not take.
    """

    def __init__(self, portrait: Portrait, kind: str, *, grey: bool = False) -> None:
        self._portrait, self._kind, self._grey = portrait, kind, grey
        self.warm_up = _MATTE_FRAMES

    @property
    def stages(self) -> list[Stage]:
        """The pipeline's stages."""
        last = Stage("mattes", self.show) if self._kind == "alpha" else Stage("composite", self.compose)
        return [Stage("matting", finder(self._portrait)), last]

    def show(self, frames: list[Frame]) -> list[Frame]:
        """Each frame with its matte as the picture: white where people are."""
        return [replace(frame, stylized=self._levels(frame), matte=None) for frame in frames]

    def compose(self, frames: list[Frame]) -> list[Frame]:
        """Each frame with its people before another background, or before none."""
        with engine_failures("engine"):
            return [
                replace(frame, stylized=self._portrait(frame.rgb, frame.rgb, frame.matte), matte=None)
                for frame in frames
            ]

    def _levels(self, frame: Frame) -> UInt8Image:
        levels: UInt8Image = np.rint(np.asarray(frame.matte) * 255).astype(np.uint8)
        return levels if self._grey else np.repeat(levels[..., None], 3, axis=2)


def finder(portrait: Portrait) -> Callable[[list[Frame]], list[Frame]]:
    """Finds people in every frame; mattes are smoothed over time, so frames must come in order."""

    def find(frames: list[Frame]) -> list[Frame]:
        with engine_failures("matting model"):
            return [replace(frame, matte=portrait.find(frame.rgb)) for frame in frames]

    return find


@contextlib.contextmanager
def engine_failures(what: str) -> Iterator[None]:
    """Tell an engine's failures as `ModelError`, in one sentence."""
    try:
        yield
    except Exception as error:
        if not is_engine_error(error):
            raise
        raise ModelError(f"the {what} failed ({first_line(error)}).") from error
