"""Crops of portraits: squares around the figure, the upper body, the head."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnst.array_types import UInt8Image

Box = tuple[float, float, float, float]  # left, top, right, bottom

_UPPER_BODY_SHARE = 0.42  # share of the squares that show a head to half a figure
_CLOSE_UP_SHARE = 0.33  # share that shows a face, up to where it leaves the frame
_MIN_CROP_SIDE = 72  # pixels of the source; below it a crop is only blur
_MIN_CLOSE_UP_SIDE = 40  # a face that fills the frame stays one when it is blurred
_MIN_PERSON_LEVEL = 127  # level of a matte above which a pixel is the person's
_SHOULDER_WIDTH_RATIO = 1.45  # times the head's width: where a figure gets this wide, its head has ended
_MAX_HEAD_ASPECT = 1.6  # times its width
_MIN_STANDING_ASPECT = 2.5  # times its width: a figure this tall is seen whole
_UPPERMOST_SHARE = 0.33  # of the side of a square around the upper body: the head
_MIN_HEADS_PER_FIGURE = 5.5  # at least so many heads is a standing figure tall


class Head(NamedTuple):
    """Centre and side of the square around a head, in pixels."""

    x: float
    y: float
    size: float


def find_head(matte: UInt8Image) -> Head | None:
    """The head of the person in a matte `[H, W]`, as far as an outline shows it; None where nobody is.

    From the top downwards until the outline widens into shoulders. Long hair and raised arms make it too large.
    """
    person = matte > _MIN_PERSON_LEVEL
    rows = np.flatnonzero(person.any(axis=1))
    if not len(rows):
        return None
    widths, centres = _trace(person[rows[0] : rows[-1] + 1])
    end, width = len(widths), float(np.percentile(widths, 80))
    for row in range(3, len(widths)):
        head = float(np.percentile(widths[:row], 80))
        if row > _MAX_HEAD_ASPECT * head or (row > 0.9 * head and widths[row] > _SHOULDER_WIDTH_RATIO * head):
            end, width = row, head
            break
    size = min(max(1.25 * width, end), _MAX_HEAD_ASPECT * width)
    if len(widths) > _MIN_STANDING_ASPECT * max(widths):
        size = min(size, len(widths) / _MIN_HEADS_PER_FIGURE)
    return Head(float(centres[:end].mean()), float(rows[0] + size / 2), float(max(size, 1)))


def _trace(person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Width and centre of the figure in each row, followed from its top: other people beside it do not count."""
    widths, centres = [], []
    middle: float | None = None
    for row in person:
        columns = np.flatnonzero(row)
        if len(columns):
            runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
            run = max(runs, key=len) if middle is None else min(runs, key=lambda one: _distance(one, middle))
            middle = float(run.mean())
        widths.append(len(run) if len(columns) else 0)
        centres.append(middle or 0.0)
    return np.array(widths), np.array(centres)


def _distance(run: np.ndarray, middle: float | None) -> float:
    assert middle is not None
    return max(float(run[0]) - middle, middle - float(run[-1]), 0.0)


def head_square(matte: UInt8Image, heads: float) -> Box | None:
    """The square of `heads` times the head's size around it, inside the picture; None where nobody is."""
    head = find_head(matte)
    if head is None:
        return None
    height, width = matte.shape
    return _placed(head.x, head.y, min(heads * head.size, height, width), width, height)


def centred_square(matte: UInt8Image, *, upper: bool) -> Box:
    """The largest square around the person; with `upper`, half the person's height from just above the head."""
    height, width = matte.shape
    rows, columns = (np.flatnonzero((matte > _MIN_PERSON_LEVEL).any(axis=axis)) for axis in (1, 0))
    side = float(min(height, width))
    x, y = (columns.mean(), rows.mean()) if len(rows) else (width / 2, height / 2)
    if len(rows):
        y = min(y, rows[0] + 0.45 * side)  # with the head, where the figure is taller than the square
    if upper and len(rows):
        side = min(side, max(0.5 * len(rows), side / 3))
        y = rows[0] + 0.42 * side
    return _placed(x, y, side, width, height)


def uppermost(matte: UInt8Image, side: float) -> UInt8Image:
    """A matte uint8 `[H, W]` without what lies below the head: a third of the upper body's square, from the top on.

    Args:
        matte: of a person.
        side: of the square around the upper body (`centred_square`), in the matte's pixels.
    """
    rows = np.flatnonzero((matte > _MIN_PERSON_LEVEL).any(axis=1))
    found = np.zeros_like(matte)
    if len(rows):
        top, end = rows[0], rows[0] + round(_UPPERMOST_SHARE * side)
        found[top:end] = matte[top:end]
    return found


def random_square(matte: UInt8Image, generator: np.random.Generator) -> Box:
    """A square inside the picture: a face, an upper body, or the figure with some surroundings."""
    height, width = matte.shape
    rows, columns = (np.flatnonzero((matte > _MIN_PERSON_LEVEL).any(axis=axis)) for axis in (1, 0))
    limit = min(height, width)
    if not len(rows):
        side = limit * generator.uniform(0.6, 1)
        return _placed(width / 2, generator.uniform(0, height), side, width, height)
    kind = generator.random()
    if kind < _CLOSE_UP_SHARE:
        return random_close_up(matte, generator)
    top, tall, wide = rows[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    if kind < _CLOSE_UP_SHARE + _UPPER_BODY_SHARE:
        head = np.flatnonzero((matte[top : top + max(1, tall // 6)] > _MIN_PERSON_LEVEL).any(axis=0))
        side = tall * generator.uniform(0.2, 0.85)
        side = max(side, 1.1 * len(head), _MIN_CROP_SIDE)
        middle = head.mean() + side * generator.uniform(-0.22, 0.22)
        centre = top + side * generator.uniform(0.15, 0.48)
    else:
        side = max(tall, wide) * generator.uniform(0.8, 1.8)
        middle = columns.mean() + side * generator.uniform(-0.3, 0.3)
        # A square of a tall picture cannot hold a standing figure: rather the head's end of it than the feet's.
        centre = min(rows.mean(), top + 0.5 * min(side, limit)) + side * generator.uniform(-0.2, 0.2)
    return _placed(middle, centre, min(max(side, min(limit, _MIN_CROP_SIDE)), limit), width, height)


def random_close_up(matte: UInt8Image, generator: np.random.Generator) -> Box:
    """A square around a head, from one that the face overfills to one with the shoulders; someone must be there."""
    height, width = matte.shape
    head = find_head(matte)
    assert head is not None
    limit = min(height, width)
    side = min(max(head.size * generator.uniform(0.5, 1.8), min(limit, _MIN_CLOSE_UP_SIDE)), limit)
    x = head.x + side * generator.uniform(-0.25, 0.25)
    y = head.y + side * generator.uniform(-0.15, 0.3)
    return _placed(x, y, side, width, height)


def _placed(x: float, y: float, side: float, width: int, height: int) -> Box:
    left, top = min(max(x - side / 2, 0), width - side), min(max(y - side / 2, 0), height - side)
    return float(left), float(top), float(left + side), float(top + side)
