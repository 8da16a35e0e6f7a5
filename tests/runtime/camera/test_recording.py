"""Recordings that fail: what was recorded is kept and named, and no thread dies unheard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnst.errors import OutputError
from fastnst.runtime.camera import recording
from fastnst.runtime.camera.recording import Recording
from fastnst.runtime.video.segments import PartWriter
from tests.runtime.clips import probe

RATE = 30.0


def fill(film: Recording, count: int) -> None:
    """Pictures one after another, none faster than the encoder takes them."""
    for number in range(count):
        while film._waiting.qsize() > 10 and film._thread.is_alive():
            time.sleep(0.001)
        film.add(number / RATE, np.full((48, 64, 3), number % 256, np.uint8))


def breaking(after: int, error: Exception) -> Callable[..., None]:
    add = PartWriter.add

    def wrapped(self: PartWriter, frame: Any) -> None:
        if self.frames >= after:
            raise error
        add(self, frame)

    return wrapped


@pytest.mark.parametrize("error", [ValueError("odd"), RuntimeError("odd"), OutputError("the disk is full.")])
def test_what_was_recorded_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(PartWriter, "add", breaking(70, error))
    film = Recording(tmp_path, RATE)

    def record() -> None:
        fill(film, 100)
        film.close()

    with pytest.raises(OutputError, match=r"plays in .*\.partial\.mp4") as caught:
        record()
    assert ("odd" in str(caught.value)) or "the disk is full" in str(caught.value)
    (part,) = tmp_path.glob("*.partial.mp4")
    assert len(probe(part).times["video"]) == 70
    assert not [thread for thread in threading.enumerate() if thread.name == "fastnst-recording"]


def test_the_end_that_fails_is_reported_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> list[str]:
        raise MemoryError

    monkeypatch.setattr(recording, "assemble", broken)
    film = Recording(tmp_path, RATE)
    fill(film, 20)
    with pytest.raises(OutputError, match=r"failed .*plays in"):
        film.close()


def test_pictures_of_another_size_are_counted(tmp_path: Path) -> None:
    film = Recording(tmp_path, RATE)
    fill(film, 5)
    film.add(1.0, np.zeros((48, 128, 3), np.uint8))
    path = film.close()
    assert path is not None
    assert film.other_size == 1
    assert len(probe(path).times["video"]) == 5
