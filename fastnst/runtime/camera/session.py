"""The live loop: newest picture → style → screen, and what the keys ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.errors import CameraError
from fastnst.printable import printable
from fastnst.runtime.camera.capture import Camera, Shot
from fastnst.runtime.camera.controls import Controls
from fastnst.runtime.camera.outputs import Screen, VirtualCamera, draw_text
from fastnst.runtime.camera.recording import Recording, snapshot
from fastnst.runtime.camera.stats import Stats
from fastnst.runtime.finishing import Finisher, RestyleOptions
from fastnst.runtime.portrait.compositor import Portrait
from fastnst.runtime.stylizer import Stylizer
from fastnst.runtime.video.pixel_formats import Reducer

log = logging.getLogger(__name__)

_MAX_WAIT_SECONDS = 0.1  # seconds to wait for a picture before the keys are looked at again
_REPORT_SECONDS = 10.0  # seconds between lines of --stats


@dataclass(frozen=True)
class LiveOptions:
    """Options that do not change while the camera runs.

    Attributes:
        max_size: long side in pixels that pictures are reduced to.
        frames: end after this many pictures; None goes on until the key q.
        folder: where snapshots and recordings go.
        stroke: size of the strokes, as for photos.
        smooth: calm what flickers where nothing moves.
    """

    max_size: int | None = 640
    frames: int | None = None
    folder: Path = Path()
    stroke: float = 1.0
    smooth: bool = False


class Live:
    """One session at a camera.

    Args:
        camera: running.
        stylizers: open styles; all are run once at the camera's size before the first picture is shown, so that
            switching costs nothing.
        screen: where pictures go.
        virtual: a virtual camera that gets them too, without the text.
        report: gets a line on the last seconds now and then.
        people: finds people for portraits; None restyles whole pictures.
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
        people: MattingThread | None = None,
    ) -> None:
        self._camera, self._stylizers, self._screen, self._options = camera, stylizers, screen, options
        self.controls = replace(controls, styles=len(stylizers))
        self._virtual, self._report, self._people = virtual, report, people
        self._reduce = Reducer(options.max_size)
        self._finisher = Finisher(self.restyling, people.portrait if people else None)
        self.stats = Stats()
        self._recording: Recording | None = None
        self._last: UInt8Image | None = None

    @property
    def restyling(self) -> RestyleOptions:
        """The restyling now: what was asked for, as the keys changed it."""
        controls, options = self.controls, self._options
        return RestyleOptions(controls.strength, controls.preserve_color, options.stroke, options.smooth)

    def run(self) -> None:
        """Show pictures until the end is asked for; a recording that runs is ended properly, whatever happens."""
        number = self._warm_up()
        self.stats = Stats()
        next_report = time.perf_counter() + _REPORT_SECONDS
        try:
            while not self.controls.quit and (self._options.frames is None or self.stats.shown < self._options.frames):
                shot = self._camera.newest(number, _MAX_WAIT_SECONDS)
                if shot is None:
                    self._wait()
                else:
                    self._step(shot, shot.number - number - 1)
                    number = shot.number
                if self._report and time.perf_counter() >= next_report:
                    self._report(self.stats.recent())
                    next_report += _REPORT_SECONDS
        finally:
            self._end_recording()

    def _warm_up(self) -> int:
        """Run every model at the camera's size; returns the number of the last picture that was there meanwhile."""
        shot = None
        until = time.perf_counter() + self._camera.patience
        while shot is None and not self.controls.quit:
            shot = self._camera.newest(0, _MAX_WAIT_SECONDS)
            if shot is None and time.perf_counter() > until:
                raise CameraError(
                    f"the camera {printable(self._camera.source)} was opened but gives no pictures: is another program"
                    " using it?"
                )
        if shot is None:
            return 0
        photo = self._photo(shot)
        for stylizer in self._stylizers:
            stylizer.restyle(photo, self._options.stroke)
        if self._people:
            self._people.portrait(photo, photo, self._people.find(photo).result())
            self._people.portrait.reset()
        newest = self._camera.newest(0, _MAX_WAIT_SECONDS)
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
            view = draw_text(view, self._text())
        key = self._screen.show(view)
        self.stats.add(shot.captured, inference, skipped)
        self._press(key, picture)

    def _photo(self, shot: Shot) -> UInt8Image:
        rgb = shot.rgb[:, ::-1] if self.controls.mirror else shot.rgb
        return np.ascontiguousarray(self._reduce(rgb))

    def _restyled(self, photo: UInt8Image) -> UInt8Image:
        controls = self.controls
        if controls.view == "original" and not controls.recording:
            return photo
        matte = self._people.find(photo) if self._people and controls.portrait else None
        stylized = self._stylizers[controls.style].restyle(photo, self._options.stroke)
        self._finisher.options = self.restyling
        picture = self._finisher.adjust(photo, stylized)
        return picture if matte is None else self._finisher.compose(photo, picture, matte.result())

    def _view(self, photo: UInt8Image, picture: UInt8Image) -> UInt8Image:
        if self.controls.view == "original":
            return photo
        return np.concatenate([photo, picture], axis=1) if self.controls.view == "side by side" else picture

    def _text(self) -> str:
        controls, stats = self.controls, self.stats
        metadata = self._stylizers[controls.style].metadata
        strength = "" if controls.strength == 1 else f" {controls.strength:.0%}"
        recording = "  REC" if controls.recording else ""
        people = f"  {self._people.portrait.options.mode}" if self._people and controls.portrait else ""
        speed = f"{stats.rate:.0f} fps  {1000 * stats.latency:.0f} ms"
        return f"{metadata.title or metadata.name}{strength}{people}  {speed}{recording}"

    def _wait(self) -> None:
        """No new picture: the last one stays, the keys still work."""
        if self._camera.lost and self._people:
            self._people.portrait.reset()  # whatever it shows next is another scene
        if self._last is None:
            return
        lost = self._camera.lost and self.controls.information
        self._press(self._screen.show(draw_text(self._last, "no camera: trying again") if lost else self._last), None)

    def _press(self, key: str, picture: UInt8Image | None) -> None:
        before = self.controls
        self.controls = before.press(key) if key else replace(before, snapshot=False)
        if self.controls.style != before.style or self.controls.mirror != before.mirror:
            self._finisher.reset()  # the last picture is not a measure for the next
        if self._people and _other_view(before, self.controls):
            self._people.portrait.reset()
        if self.controls.snapshot and picture is not None:
            log.warning("snapshot: %s", snapshot(picture, self._options.folder))
        if before.recording and not self.controls.recording:
            self._end_recording()

    def _keep(self, shot: Shot, picture: UInt8Image) -> None:
        if self.controls.recording:
            self._recording = self._recording or Recording(self._options.folder, self._camera.rate)
            self._recording.add(shot.captured, picture)

    def _end_recording(self) -> None:
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        path = recording.close()
        notes = []
        if recording.left_out:
            notes.append(f"{recording.left_out} pictures were left out: encoding was too slow")
        if recording.other_size:
            notes.append(f"{recording.other_size} pictures of another size were left out")
        if path:
            log.warning("recording: %s%s", path, f" ({'; '.join(notes)})" if notes else "")


def _other_view(before: Controls, after: Controls) -> bool:
    """True if earlier mattes say nothing about the next picture: it is mirrored, or none were made meanwhile."""
    return (before.mirror, before.view, before.portrait) != (after.mirror, after.view, after.portrait)


class MattingThread:
    """Finds people in a thread of its own while the style runs.

    Args:
        portrait: made for video; its mattes are smoothed from picture to picture.
    """

    def __init__(self, portrait: Portrait) -> None:
        self.portrait = portrait
        self._thread = ThreadPoolExecutor(1, "fastnst-matting")

    def find(self, photo: UInt8Image) -> Future[FloatPlane]:
        """The photo's matte, float32 `[H, W]`, as soon as it is there."""
        return self._thread.submit(self.portrait.find, photo)

    def close(self) -> None:
        """Give the thread back."""
        self._thread.shutdown(wait=False, cancel_futures=True)
