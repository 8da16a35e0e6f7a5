"""Refinement of a batch: L-BFGS goes on from each picture, with progress step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastnst.array_types import UInt8Image
from fastnst.commands.options.refine import RefineOptions
from fastnst.progress import Progress, progress
from fastnst.runtime.models.metadata import StyleMetadata

if TYPE_CHECKING:
    from torch import Tensor

    from fastnst.reference.optimize import Step


class Refiner:
    """Refines the pictures of a batch one by one.

    Args:
        options: the refinement.
        bar: shows the steps of all pictures.
    """

    def __init__(self, options: RefineOptions, bar: Progress) -> None:
        self.options, self._bar = options, bar
        self._pictures = self._shown = 0
        self.interrupted_after: int | None = None  # steps of the picture that a Ctrl-C came at

    def next_picture(self) -> None:
        """Begin with the next photo of the batch. Raises `KeyboardInterrupt` if Ctrl-C ended the last one's early."""
        if self.interrupted_after is not None:
            raise KeyboardInterrupt
        self._reach(self._pictures * self.options.steps)
        self._pictures += 1

    def __call__(self, photo: UInt8Image, restyled: UInt8Image, metadata: StyleMetadata) -> UInt8Image:
        """The refined picture, uint8 RGB `[H, W, 3]` as both that go in; after Ctrl-C the best so far."""
        from fastnst.reference.optimize import terms_in_words
        from fastnst.reference.refine import refine

        before = (self._pictures - 1) * self.options.steps

        def watch(step: Step, _image: Tensor) -> None:
            self._reach(before + step.number, terms_in_words(step))

        refined, run = refine(
            photo,
            restyled,
            metadata,
            self.options.paintings,
            self.options.steps,
            perceptual_weights=self.options.perceptual_weights,
            watcher=watch,
        )
        if run.interrupted:
            self.interrupted_after = len(run.history)
        return refined

    def _reach(self, done: int, text: str = "") -> None:
        self._shown = max(self._shown, done)  # further pages of a picture are not counted
        self._bar.reach(self._shown, text)


@contextmanager
def refinement(options: RefineOptions | None, pictures: int) -> Iterator[Refiner | None]:
    """A refiner for so many pictures, with a bar while the block runs; None if none was asked for."""
    if options is None:
        yield None
        return
    with progress("refining", options.steps * pictures) as bar:
        yield Refiner(options, bar)
