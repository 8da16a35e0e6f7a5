"""Pictures too large for memory: restyled part by part, as if in one go.

Style networks normalize by means and deviations over all they see (instance normalization). A tile of sky, run alone,
is therefore painted as if all the world were sky: with full contrast, other colours and other strokes than beside its
ground, and no blending of borders can hide that. So no run sees one tile alone. Each sees several from all over the
picture side by side, and its statistics are nearly the picture's own. What is left between neighbours is evened out.

The tiles are strips of the full height where these fit, since pictures differ more from top to bottom than from side to
side, and else every run has tiles from the top to the bottom. Around its core each has a margin that only feeds the
network, as far as its convolutions see, and between them is a narrow cross-fade.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnst.array_types import FloatPlane, UInt8Image
from fastnst.errors import ConfigError

# Whole pictures up to this many pixels, on two cores with the CPU provider: 8 MP need about 4 GB.
AUTO_PIXELS = 8_000_000
TILE_PIXELS = 4_000_000
MIN_PIXELS = 500_000  # of one run; below it margins are most of the work
# Rows of tiles, and tiles in one run, the best first: three strips, or all of the height once, from three places of the
# width. The last resort is a number of blocks from different rows.
_CUTS = ((1, 3), (3, 3))
_BLOCKS = 4
_MIN_BORDERS = 5  # a tile's least width in borders, or margins are most of the work
_OFFSET_WEIGHT = 0.1  # of small offsets beside equal neighbours: what adds up over many tiles fades away
_ALIGNMENT = 8  # pixels; all networks' strides divide it, and their grids should lie as in the whole picture


@dataclass(frozen=True)
class Tiles:
    """The sizes of runs and the way tiles meet.

    Attributes:
        pixels: of one run at most, all its tiles and their margins together.
        margin: pixels around a tile that only feed the network: about what a network with five residual blocks at a
            quarter of the resolution sees.
        fade: pixels over which one tile goes over into the next.
    """

    pixels: int = TILE_PIXELS
    margin: int = 48
    fade: int = 32

    @property
    def border(self) -> int:
        """Pixels beyond a core on each side."""
        return self.margin + self.fade // 2


@dataclass(frozen=True)
class Plan:
    """A picture cut into `rows` × `columns` cores of `height` × `width` pixels, `together` of them in one run."""

    rows: int
    columns: int
    height: int
    width: int
    together: int

    def runs(self) -> Iterator[list[tuple[int, int]]]:
        """Rows and columns of the tiles of each run, from all over the picture: one in each part of its width, and in
        rows as far apart as there are."""
        across = self.columns // self.together
        for row in range(self.rows):
            for column in range(across):
                yield [
                    ((row + one * self.rows // self.together) % self.rows, column + one * across)
                    for one in range(self.together)
                ]


def parse_tile(tile: str | float | None) -> float | None:
    """Megapixels of one run, of `auto`, `off` or a number: None for `auto`, infinity for `off`.

    Raises `ConfigError` for anything else, and below half a megapixel.
    """
    if tile is None or tile == "auto":
        return None
    if tile == "off":
        return math.inf
    try:
        megapixels = float(tile)
    except ValueError:
        megapixels = math.nan
    if not megapixels >= MIN_PIXELS / 1e6:
        raise ConfigError(f"tile must be auto, off or at least {MIN_PIXELS / 1e6:g} megapixels, not {tile}.")
    return megapixels


def choose_tiles(height: int, width: int, megapixels: float | None) -> Tiles | None:
    """The tiles for a picture of this size, or None if it is restyled whole; `megapixels` as from `parse_tile`."""
    if megapixels is None:
        return Tiles() if height * width > AUTO_PIXELS else None
    return Tiles(round(megapixels * 1e6)) if height * width > megapixels * 1e6 else None


def plan_tiles(height: int, width: int, tiles: Tiles) -> Plan:
    """Cut a picture so that no run exceeds `tiles.pixels`."""
    both = 2 * tiles.border
    for rows, together in _CUTS:
        core = height if rows == 1 else _core(height, rows, tiles)
        seen = core + (both if rows > 1 else 0)
        across = _whole(tiles.pixels / together / (seen + _ALIGNMENT) - both, down=True)
        if across + both >= _MIN_BORDERS * tiles.border:
            columns = _multiple(math.ceil(width / across), together)
            return Plan(rows, columns, core, _core(width, columns, tiles), together)
    # So high that no run can have all of the height: blocks, twice as high as wide.
    side = math.sqrt(tiles.pixels / _BLOCKS / 2)
    across, down = (max(_ALIGNMENT, _whole(extent - both, down=True)) for extent in (side, 2 * side))
    rows, columns = math.ceil(height / down), _multiple(math.ceil(width / across), _BLOCKS)
    return Plan(rows, columns, _core(height, rows, tiles), _core(width, columns, tiles), _BLOCKS)


def run_in_tiles(picture: UInt8Image, run: Callable[[UInt8Image], UInt8Image], tiles: Tiles) -> UInt8Image:
    """Restyle a picture part by part.

    Args:
        picture: uint8 RGB `[H, W, 3]`.
        run: the network, uint8 `[1, h, w, 3]` to the same; its input always has one size.
        tiles: how.

    Returns uint8 `[H, W, 3]`. Besides what `run` needs, it uses less than twenty bytes a pixel.
    """
    height, width = picture.shape[:2]
    plan = plan_tiles(height, width, tiles)
    # A strip has the picture's own upper and lower edge.
    border_y = tiles.border if plan.rows > 1 else 0
    border_x = tiles.border
    weight_y = _fade(plan.height, border_y, tiles)
    weight_x = _fade(plan.width, border_x, tiles)
    weight = (weight_y[:, None] * weight_x)[..., None]
    tile_height, tile_width = len(weight_y), len(weight_x)
    painted: dict[tuple[int, int], UInt8Image] = {}
    for together in plan.runs():
        corners = [(row * plan.height - border_y, column * plan.width - border_x) for row, column in together]
        seen = np.concatenate([_cut(picture, top, left, tile_height, tile_width) for top, left in corners], axis=1)
        found = run(seen[None])[0]
        for index, place in enumerate(together):
            painted[place] = found[:, index * tile_width : (index + 1) * tile_width].copy()
    blended = np.zeros((height, width, 3), np.float32)
    for (row, column), offset in level(painted, plan, tiles).items():
        tile = (painted.pop((row, column)) + offset) * weight
        # What lies beyond the picture is left out.
        top, left = row * plan.height - border_y, column * plan.width - border_x
        y, x = max(0, -top), max(0, -left)
        target = blended[top + y : top + tile_height, left + x : left + tile_width]
        target += tile[y : y + target.shape[0], x : x + target.shape[1]]
    # At the picture's edges there is no neighbour to add up with.
    blended /= _sum(weight_y, plan.rows, plan.height, border_y, height)[:, None, None]
    blended /= _sum(weight_x, plan.columns, plan.width, border_x, width)[:, None]
    rounded: UInt8Image = np.rint(blended, out=blended).clip(0, 255, out=blended).astype(np.uint8)
    return rounded


def level(painted: dict[tuple[int, int], UInt8Image], plan: Plan, tiles: Tiles) -> dict[tuple[int, int], FloatPlane]:
    """Offsets to add to each tile, float32 `[3]`, so that neighbours agree in the mean where they overlap.

    The gain compensation of panoramas (Brown & Lowe 2007, section 6) with offsets for gains: the squares of what is
    left between neighbours are minimal, and so are, with less weight, the offsets themselves.
    """
    places = sorted(painted)
    number = {place: index for index, place in enumerate(places)}
    unequal = []  # of which two tiles, and by how much
    inside = slice(tiles.margin // 2, 2 * tiles.border - tiles.margin // 2)  # without what sees the tile's rim
    for place in places:
        for down, right, core in ((0, 1, plan.width), (1, 0, plan.height)):
            other = (place[0] + down, place[1] + right)
            if other not in painted:
                continue
            ours, theirs = painted[place], painted[other]
            if down:
                ours, theirs = (tile.swapaxes(0, 1) for tile in (ours, theirs))
            difference = ours[::2, core:][:, inside].mean((0, 1)) - theirs[::2, inside].mean((0, 1))
            unequal.append((number[place], number[other], difference))
    system = _OFFSET_WEIGHT * np.eye(len(places))
    right_side = np.zeros((len(places), 3))
    for first, second, difference in unequal:
        system[[first, second], [first, second]] += 1
        system[[first, second], [second, first]] -= 1
        right_side[first] -= difference
        right_side[second] += difference
    offsets = np.linalg.solve(system, right_side).astype(np.float32)
    return dict(zip(places, offsets, strict=True))


def _fade(core: int, border: int, tiles: Tiles) -> FloatPlane:
    """Weights of a tile along one axis, float32: two neighbours' weights sum to 1 where they meet."""
    if border == 0:
        return np.ones(core, np.float32)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(tiles.fade) + 0.5) / tiles.fade)
    unseen = np.zeros(tiles.margin)
    full = np.ones(core - tiles.fade)
    return np.concatenate((unseen, rise, full, rise[::-1], unseen)).astype(np.float32)


def _sum(weights: FloatPlane, count: int, core: int, border: int, extent: int) -> FloatPlane:
    """The sum of all tiles' weights along one axis of the picture, `[extent]`."""
    total = np.zeros(count * core + 2 * border, np.float32)
    for index in range(count):
        total[index * core :][: len(weights)] += weights
    inside: FloatPlane = total[border : border + extent]
    return inside


def _cut(picture: UInt8Image, top: int, left: int, height: int, width: int) -> UInt8Image:
    """A part of the picture that may reach beyond it, where it is mirrored."""
    rows, columns = (
        _mirrored(start, count, extent)
        for start, count, extent in ((top, height, picture.shape[0]), (left, width, picture.shape[1]))
    )
    part: UInt8Image = picture[rows[:, None], columns]
    return part


def _mirrored(start: int, count: int, extent: int) -> NDArray[np.intp]:
    """Indices `start` … `start + count`, reflected at 0 and at `extent` - 1 as often as it takes."""
    period = max(1, 2 * (extent - 1))
    indices = np.arange(start, start + count) % period
    return np.minimum(indices, period - indices)


def _core(extent: int, count: int, tiles: Tiles) -> int:
    return max(_whole(extent / count), _whole(tiles.fade))


def _whole(pixels: float, *, down: bool = False) -> int:
    """The next multiple of `_ALIGNMENT` upwards, or downwards."""
    return int((math.floor if down else math.ceil)(pixels / _ALIGNMENT)) * _ALIGNMENT


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of
