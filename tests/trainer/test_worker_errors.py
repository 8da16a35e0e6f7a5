"""What a process that reads training data says is what the user reads."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from fastnst.errors import ImageError
from fastnst.trainer.worker_errors import as_in_its_worker


class Broken(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> torch.Tensor:
        raise ImageError("50 photos in a row cannot be read: take others.")


def test_a_workers_traceback_is_taken_off() -> None:
    with pytest.raises(ImageError, match="Traceback") as caught:
        next(iter(DataLoader(Broken(), num_workers=1, multiprocessing_context="fork")))
    found = as_in_its_worker(caught.value)
    assert type(found) is ImageError
    assert str(found) == "50 photos in a row cannot be read: take others."


def test_others_stay_as_they_are() -> None:
    error = ImageError("a.jpg is empty (0 bytes).")
    assert as_in_its_worker(error) is error
