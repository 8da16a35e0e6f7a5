"""Photos in, a picture for each out: what is made, what is left out, and that one bad file never ends the rest."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from fastnst.commands.options.photos import PhotoOptions
from fastnst.commands.options.video import ANIMATED
from fastnst.commands.result_names import ResultNames
from fastnst.errors import FastNSTError, ImageError, OutputError
from fastnst.images.animation import is_animation
from fastnst.images.folders import search
from fastnst.images.formats import SUFFIXES, written_suffix
from fastnst.images.picture import Picture
from fastnst.output_files import FullDiskError, check_output
from fastnst.printable import printable
from fastnst.progress import track
from fastnst.standard_streams import print_message, print_result

_MAX_SHOWN_FAILURES = 40  # failures that are reported one by one

log = logging.getLogger(__name__)
Variant = TypeVar("Variant")


@dataclass(frozen=True)
class Job(Generic[Variant]):
    """One picture to make: which photo, what of it (a style, a kind of matte), where to.

    `moves`: both are animated, so that all frames are made.
    """

    photo: Path
    variant: Variant
    output: Path
    moves: bool = False


@dataclass
class Plan(Generic[Variant]):
    """The plan of a batch.

    Attributes:
        jobs: the pictures to make.
        existing: those that `--skip-existing` leaves as they are.
        notes: sentences on files that were left out.
    """

    jobs: list[Job[Variant]]
    existing: list[Job[Variant]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[Job[Variant]]:
        """Jobs and existing pictures."""
        return [*self.existing, *self.jobs]


@dataclass
class Outcome(Generic[Variant]):
    """The outcome of a batch: the jobs that failed and why, and remarks on photos with how many they concern."""

    failures: list[tuple[Job[Variant], str]] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Endings:
    """The suffixes of results, with their dots.

    Attributes:
        every: of all results, if one was asked for.
        still: of still pictures; None takes the photo's, if it can be written.
        moving: whether an animated picture makes an animated one, of its own suffix; else its first frame counts.
    """

    every: str | None = None
    still: str | None = None
    moving: bool = True

    def of(self, photo: Path, moves: bool) -> str:
        """The suffix of a photo's result."""
        if self.every is not None:
            return self.every
        suffix = photo.suffix.lower()
        if moves and self.moving:
            return suffix if suffix in ANIMATED else ".webp"
        return self.still or written_suffix(suffix)


def plan_batch(
    options: PhotoOptions,
    variants: Sequence[tuple[str, Variant]],
    endings: Endings = Endings(),
    labels: Collection[str] = (),
) -> Plan[Variant]:
    """Every picture to make and where it goes.

    One photo, one variant and an output with a picture suffix: that file. Otherwise the output is a folder that mirrors
    the photos' folders, with `<photo>_<label>.<suffix>` in it. An output folder inside an input is not looked into, and
    results of earlier runs beside their photos are left out.

    Args:
        options: what goes in and where to.
        variants: a label for names, and the variant.
        endings: the suffixes of results.
        labels: further labels that results of earlier runs may have.

    Raises `ImageError` if there is no photo, `OutputError` if results cannot go there.
    """
    output = options.output
    named_file = output.suffix.lower() in SUFFIXES
    names, jobs, notes = ResultNames(), [], []
    known = {*labels, *(label for label, _ in variants)}
    for argument in options.inputs:
        found = search([argument], without=[] if named_file else [output])
        notes += found.sentences()
        photos = found.pictures
        if os.path.isdir(argument):
            photos, own = _without_results(photos, known)
            notes += [f"{own} result{'s' if own > 1 else ''} of earlier runs left out."] if own else []
        if not photos:
            raise ImageError(f"no photos found in {argument}.{''.join(f' {note}' for note in notes)}")
        for photo in photos:
            folder = output / (photo.relative_to(argument).parent if os.path.isdir(argument) else Path())
            moves = is_animation(photo)
            ending = endings.of(photo, moves)
            for label, variant in variants:
                target = output if named_file else names.name(folder, photo, label, ending)
                both = moves and endings.moving and target.suffix.lower() in ANIMATED
                jobs.append(Job(photo, variant, target, both))
    _check_place(output, jobs, named_file)
    return _sorted_out(jobs, options, notes)


def run_batch(
    jobs: list[Job[Variant]], make: Callable[[Job[Variant]], Iterable[str]], action: str | None, existing: int = 0
) -> Outcome[Variant]:
    """Make all pictures; of several, a bad one is noted and the rest goes on.

    Args:
        jobs: what to make.
        make: makes one; returns remarks on its photo.
        action: the word beside the progress bar; None where `make` shows its own progress.
        existing: how many pictures of the batch exist already: then those that fail are not all there is.

    Raises the error of a single picture, `FullDiskError` with the count of those that are finished, and `ImageError` if
    not one could be made.
    """
    alone = len(jobs) == 1 and not existing
    outcome: Outcome[Variant] = Outcome()
    for number, job in enumerate(jobs if action is None else track(jobs, action)):
        try:
            outcome.remarks.update(make(job))
        except FullDiskError as error:  # it will not mend itself for the next picture
            done = number - len(outcome.failures)
            raise FullDiskError(f"{error} {done} of {len(jobs)} pictures were finished.") from error
        except FastNSTError as error:
            if alone:
                raise
            outcome.failures.append((job, _with_name(job, str(error))))
        except Exception as error:  # a fault of ours: the other pictures should not pay for it
            if alone:
                raise
            log.debug("%s failed", job.photo, exc_info=True)
            outcome.failures.append((job, f"{job.photo}: unexpected {type(error).__name__} ({error})."))
    if jobs and len(outcome.failures) == len(jobs) and not existing:
        raise ImageError(f"none of the {len(jobs)} pictures could be made; the first: {outcome.failures[0][1]}")
    return outcome


def report(plan: Plan[Variant], outcome: Outcome[Variant], options: PhotoOptions, seconds: float, engine: str) -> None:
    """Say what was made, what failed and what was left out."""
    for _, message in outcome.failures[:_MAX_SHOWN_FAILURES]:
        _print_message(message)
    if len(outcome.failures) > _MAX_SHOWN_FAILURES:
        _print_message(f"… and {len(outcome.failures) - _MAX_SHOWN_FAILURES} more failed.")
    for note in plan.notes:
        _print_message(note)
    parts = [_pictures(len(plan.jobs) - len(outcome.failures))]
    parts += [f"{len(outcome.failures)} failed"] if outcome.failures else []
    parts += [f"{len(plan.existing)} existed already"] if plan.existing else []
    where = plan.all[0].output if len(plan.all) == 1 else options.output
    print_result(f"{printable(where)}: {', '.join(parts)}, {seconds:.2f} s{f' ({engine})' if engine else ''}\n")
    for remark, count in sorted(outcome.remarks.items()):
        photos = "1 photo" if count == 1 else f"{count} photos"
        print_result(f"{photos}: {printable(remark)}\n")


def remarks_on(picture: Picture, pages: int = 1) -> list[str]:
    """Remarks on what the result leaves out of a photo's file; `pages` of it are restyled."""
    metadata = picture.metadata
    remarks = [f"{note}, written with 8 bits" for note in metadata.notes]
    if metadata.pages > pages:
        remarks.append(f"{metadata.pages - pages} further pages left out: only .tiff results have pages")
    if metadata.frames > 1:
        remarks.append("an animation, of which the first frame was taken: a .gif, .webp or .png result has all")
    return remarks


def _without_results(photos: list[Path], labels: set[str]) -> tuple[list[Path], int]:
    """Photos without the results that an earlier run wrote beside them, and how many these are."""
    present = {(photo.parent, photo.stem) for photo in photos}
    endings = [f"_{label}" for label in labels]

    def is_result(photo: Path) -> bool:
        return any(
            photo.stem.endswith(ending) and (photo.parent, photo.stem.removesuffix(ending)) in present
            for ending in endings
        )

    kept = [photo for photo in photos if not is_result(photo)]
    return kept, len(photos) - len(kept)


def _check_place(output: Path, jobs: Sequence[Job[Variant]], named_file: bool) -> None:
    if named_file and len(jobs) > 1:
        raise OutputError(f"{len(jobs)} pictures cannot go to one file: give a folder instead of {output}.")
    if not named_file and (os.path.isfile(output) or (len(jobs) == 1 and output.suffix and not os.path.isdir(output))):
        raise OutputError(
            f"{output} has no picture suffix that can be written: use {', '.join(SUFFIXES)}, or a folder."
        )


def _sorted_out(jobs: list[Job[Variant]], options: PhotoOptions, notes: list[str]) -> Plan[Variant]:
    """Existing results are skipped or refused; no result may take the place of another photo."""
    existing = [job for job in jobs if os.path.exists(job.output)]
    if existing and options.skip_existing:
        return Plan([job for job in jobs if not os.path.exists(job.output)], existing, notes)
    if existing and not options.overwrite:
        first = existing[0].output
        if len(jobs) == 1:
            check_output(first)
        check_output(first, overwrite=True)
        raise OutputError(
            f"{first} exists already ({len(existing)} of {len(jobs)} do): pass --overwrite to replace such pictures,"
            " or --skip-existing to make only the others."
        )
    inputs = {os.path.realpath(job.photo): job.photo for job in jobs} if existing else {}
    for job in existing:
        replaced = inputs.get(os.path.realpath(job.output))
        if replaced is not None and not _is_same(replaced, job.photo):
            raise OutputError(f"{job.output} is one of the photos: its result of {job.photo} needs another folder.")
    if len(jobs) == 1:
        check_output(jobs[0].output, overwrite=options.overwrite)
    return Plan(jobs, [], notes)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _with_name(job: Job[Variant], message: str) -> str:
    named = str(job.photo) in message or str(job.output) in message
    return message if named else f"{job.photo}: {message}"


def _print_message(sentence: str) -> None:
    print_message(sentence)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
