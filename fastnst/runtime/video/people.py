"""People in clips: the stage that finds them, the stage that puts portraits together, and mattes as clips."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fastnst.errors import ModelError
from fastnst.runtime.portrait import Portrait
from fastnst.runtime.sessions import first_line, is_engine_error
from fastnst.runtime.video.clip import Frame
from fastnst.runtime.video.pipeline import Stage


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
