"""The live loop: newest picture → style → screen, and what the keys ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from fastnst.images.resize import resize_long_side
from fastnst.runtime.camera.capture import Camera, Shot
from fastnst.runtime.camera.controls import Controls
from fastnst.runtime.camera.outputs import Screen, VirtualCamera, write_on
from fastnst.runtime.camera.recording import Recording, snapshot
from fastnst.runtime.camera.stats import Stats
from fastnst.runtime.portrait.compositor import Portrait
from fastnst.runtime.stylizer import Stylizer
from fastnst.runtime.temporal import Smoother

log = logging.getLogger(__name__)

_PATIENCE = 0.1  # seconds to wait for a picture before the keys are looked at again
_REPORT = 10.0  # seconds between lines of --stats


@dataclass(frozen=True)
class LiveOptions:
    """What does not change while the camera runs.

    Attributes:
        max_size: long side in pixels that pictures are reduced to.
        smooth: calm what flickers where nothing moves.
        frames: end after this many pictures; None goes on until the key q.
        folder: where snapshots and recordings go.
        stroke: size of the strokes, as for photos.
    """

    max_size: int | None = 640
    smooth: bool = False
    frames: int | None = None
    folder: Path = Path()
    stroke: float = 1.0


class Live:
    """One session at a camera.

    Args:
        camera: running.
        stylizers: open styles; all are run once at the camera's size before the first picture is shown, so that
            switching costs nothing.
        screen: where pictures go.
        virtual: a virtual camera that gets them too, without the text.
        report: gets a line on the last seconds now and then.
        portrait: tells people from the background; None restyles whole pictures.
    """

    def __init__(
        self,
        camera: Camera,
        stylizers: Sequence[Stylizer],
        screen: Screen,
        options: LiveOptions,
        controls: Controls,
        virtual: VirtualCamera | None = None,
        report: Callable[[str], None] | None = None,
        portrait: LivePortrait | None = None,
    ) -> None:
        self._camera, self._stylizers, self._screen, self._options = camera, stylizers, screen, options
        self.controls = replace(controls, styles=len(stylizers))
        self._virtual, self._report, self._portrait = virtual, report, portrait
        self.stats = Stats()
        self._smoother: Smoother | None = None
        self._recording: Recording | None = None
        self._last: np.ndarray | None = None

    def run(self) -> None:
        """Show pictures until the end is asked for; a recording that runs is ended properly, whatever happens."""
        number = self._warm_up()
        self.stats = Stats()
        next_report = time.perf_counter() + _REPORT
        try:
            while not self.controls.quit and (self._options.frames is None or self.stats.shown < self._options.frames):
                shot = self._camera.newest(number, _PATIENCE)
                if shot is None:
                    self._wait()
                else:
                    self._step(shot, shot.number - number - 1)
                    number = shot.number
                if self._report and time.perf_counter() >= next_report:
                    self._report(self.stats.recent())
                    next_report += _REPORT
        finally:
            self._end_recording()

    def _warm_up(self) -> int:
        """Run every model at the camera's size; returns the number of the last picture that was there meanwhile."""
        shot = None
        while shot is None and not self.controls.quit:
            shot = self._camera.newest(0, _PATIENCE)
        if shot is None:
            return 0
        photo = self._photo(shot)
        for stylizer in self._stylizers:
            stylizer(photo, stroke=self._options.stroke)
        if self._portrait:
            self._portrait(photo, lambda picture: picture)
            self._portrait.reset()
        newest = self._camera.newest(0, _PATIENCE)
        return newest.number if newest else shot.number

    def _step(self, shot: Shot, skipped: int) -> None:
        photo = self._photo(shot)
        before = time.perf_counter()
        picture = self._restyled(photo)
        inference = time.perf_counter() - before
        self._keep(shot, picture)
        view = self._view(photo, picture)
        if self._virtual:
            self._virtual.send(view)
        self._last = view
        if self.controls.information:
            view = write_on(view, self._text())
        key = self._screen.show(view)
        self.stats.add(shot.captured, inference, skipped)
        self._press(key, picture)

    def _photo(self, shot: Shot) -> np.ndarray:
        rgb = shot.rgb[:, ::-1] if self.controls.mirror else shot.rgb
        limit = self._options.max_size
        if limit is not None and max(rgb.shape[:2]) > limit:
            rgb = np.asarray(resize_long_side(Image.fromarray(np.ascontiguousarray(rgb)), limit))
        return np.ascontiguousarray(rgb)

    def _restyled(self, photo: np.ndarray) -> np.ndarray:
        controls = self.controls
        if controls.view == "original" and not controls.recording:
            return photo
        if self._portrait is not None and controls.portrait:
            return self._portrait(photo, self._painted)
        return self._painted(photo)

    def _painted(self, photo: np.ndarray) -> np.ndarray:
        controls, stylizer = self.controls, self._stylizers[self.controls.style]
        picture = np.asarray(
            stylizer(
                photo,
                strength=controls.strength,
                preserve_color=controls.preserve_color,
                stroke=self._options.stroke,
            )
        )
        if self._options.smooth:
            self._smoother = self._smoother or Smoother()
            picture = self._smoother(photo, picture)
        return picture

    def _view(self, photo: np.ndarray, picture: np.ndarray) -> np.ndarray:
        if self.controls.view == "original":
            return photo
        return np.concatenate([photo, picture], axis=1) if self.controls.view == "side by side" else picture

    def _text(self) -> str:
        controls, stats = self.controls, self.stats
        metadata = self._stylizers[controls.style].metadata
        strength = "" if controls.strength == 1 else f" {controls.strength:.0%}"
        recording = "  REC" if controls.recording else ""
        people = f"  {self._portrait.mode}" if self._portrait and controls.portrait else ""
        speed = f"{stats.rate:.0f} fps  {1000 * stats.latency:.0f} ms"
        return f"{metadata.title or metadata.name}{strength}{people}  {speed}{recording}"

    def _wait(self) -> None:
        """No new picture: the last one stays, the keys still work."""
        if self._camera.lost and self._portrait:
            self._portrait.reset()  # whatever it shows next is another scene
        if self._last is None:
            return
        lost = self._camera.lost and self.controls.information
        self._press(self._screen.show(write_on(self._last, "no camera: trying again") if lost else self._last), None)

    def _press(self, key: str, picture: np.ndarray | None) -> None:
        before = self.controls
        self.controls = before.press(key) if key else replace(before, snapshot=False)
        if self.controls.style != before.style or self.controls.mirror != before.mirror:
            self._smoother = None  # the last picture is no measure for the next
        if self._portrait and _other_view(before, self.controls):
            self._portrait.reset()
        if self.controls.snapshot and picture is not None:
            log.warning("snapshot: %s", snapshot(picture, self._options.folder))
        if before.recording and not self.controls.recording:
            self._end_recording()

    def _keep(self, shot: Shot, picture: np.ndarray) -> None:
        if self.controls.recording:
            self._recording = self._recording or Recording(self._options.folder, self._camera.rate)
            self._recording.add(shot.captured, picture)

    def _end_recording(self) -> None:
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        path = recording.close()
        left_out = (
            f" ({recording.left_out} pictures were left out: encoding was too slow)" if recording.left_out else ""
        )
        if path:
            log.warning("recording: %s%s", path, left_out)


def _other_view(before: Controls, after: Controls) -> bool:
    """Whether earlier mattes say nothing about the next picture: it is mirrored, or none were made meanwhile."""
    return (before.mirror, before.view, before.portrait) != (after.mirror, after.view, after.portrait)


class LivePortrait:
    """Restyles people or the background of one picture after the other.

    Args:
        portrait: made for video; its mattes are smoothed from picture to picture.
    """

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self._beside = ThreadPoolExecutor(1, "fastnst-matting")

    @property
    def mode(self) -> str:
        """What is restyled."""
        return self._portrait.options.mode

    def __call__(self, photo: np.ndarray, restyle: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The portrait, uint8 `[H, W, 3]` as the photo; `restyle` makes the whole picture's style."""
        matte = self._beside.submit(self._portrait.find, photo)
        stylized = restyle(photo)
        return self._portrait(photo, stylized, matte.result())

    def reset(self) -> None:
        """Forget earlier pictures: the next one does not follow them."""
        self._portrait.reset()

    def close(self) -> None:
        """Give the thread back."""
        self._beside.shutdown(wait=False, cancel_futures=True)
