"""What a process that reads training data says is what the user reads."""

from __future__ import annotations

import pytest
from torch._utils import ExceptionWrapper

from fastnst.errors import ImageError
from fastnst.trainer.worker_errors import as_in_its_worker


def test_a_workers_traceback_is_taken_off() -> None:
    # What a DataLoader does with its worker's error, without a fork of this process and all of its threads.
    try:
        raise ImageError("50 photos in a row cannot be read: take others.")
    except ImageError:
        carried = ExceptionWrapper(where="in DataLoader worker process 0")
    with pytest.raises(ImageError, match="Traceback") as caught:
        carried.reraise()
    found = as_in_its_worker(caught.value)
    assert type(found) is ImageError
    assert str(found) == "50 photos in a row cannot be read: take others."


def test_others_stay_as_they_are() -> None:
    error = ImageError("a.jpg is empty (0 bytes).")
    assert as_in_its_worker(error) is error
