// @ts-check
/**
 * Pictures too large for one run, restyled part by part as if in one go; the scheme of fastnst/runtime/tiling.py.
 *
 * Style networks normalize over all they see. No run therefore sees one tile alone: each sees several, from all over
 * the picture, side by side, and its statistics are nearly the picture's own. What is left between neighbours is evened
 * out, and tiles fade into each other.
 */

const MARGIN = 48; // pixels around a tile that only feed the network
const FADE = 32; // pixels over which one tile goes over into the next
const BORDER = MARGIN + FADE / 2;
const CUTS = [[1, 3], [3, 3]]; // rows, and tiles in one run; the best first
const BLOCKS = 4;
const MIN_BORDERS = 5; // a tile is at least so many borders wide, or margins are most of the work
const OFFSET_WEIGHT = 0.1; // weight of small offsets beside that of equal neighbours
const ALIGNMENT = 8;

/** @typedef {{rows: number, columns: number, height: number, width: number, together: number}} Plan */

/**
 * @param {Uint8Array} picture RGB
 * @param {number} width
 * @param {number} height
 * @param {number} maxPixels of one run
 * @param {(pixels: Uint8Array, width: number, height: number) => Promise<Uint8Array>} run
 * @param {(share: number) => void} progress
 * @returns {Promise<Uint8Array>} RGB
 */
export async function runInTiles(picture, width, height, maxPixels, run, progress) {
  if (width * height <= maxPixels) {
    progress(0);
    return run(picture, width, height);
  }
  const plan = planTiles(height, width, maxPixels);
  const [borderY, borderX] = [plan.rows > 1 ? BORDER : 0, BORDER];
  const [weightY, weightX] = [fade(plan.height, borderY), fade(plan.width, borderX)];
  const [tileHeight, tileWidth] = [weightY.length, weightX.length];
  /** @type {Map<string, Uint8Array>} */
  const painted = new Map();
  const all = runs(plan);
  for (const [done, together] of all.entries()) {
    progress(done / all.length);
    const seenWidth = tileWidth * together.length;
    const seen = new Uint8Array(seenWidth * tileHeight * 3);
    for (const [index, [row, column]] of together.entries()) {
      cut(picture, width, height, row * plan.height - borderY, column * plan.width - borderX, seen, index, tileWidth, tileHeight, seenWidth);
    }
    const found = await run(seen, seenWidth, tileHeight);
    for (const [index, [row, column]] of together.entries()) {
      const tile = new Uint8Array(tileWidth * tileHeight * 3);
      for (let y = 0; y < tileHeight; y++) {
        const start = (y * seenWidth + index * tileWidth) * 3;
        tile.set(found.subarray(start, start + tileWidth * 3), y * tileWidth * 3);
      }
      painted.set(`${row},${column}`, tile);
    }
  }
  const offsets = level(painted, plan, tileHeight, tileWidth);
  const blended = new Float32Array(width * height * 3);
  for (const [place, tile] of painted) {
    const [row, column] = place.split(',').map(Number);
    const offset = offsets.get(place) ?? [0, 0, 0];
    const [top, left] = [row * plan.height - borderY, column * plan.width - borderX];
    for (let y = Math.max(0, -top); y < tileHeight && top + y < height; y++) {
      for (let x = Math.max(0, -left); x < tileWidth && left + x < width; x++) {
        const weight = weightY[y] * weightX[x];
        const [to, from] = [((top + y) * width + left + x) * 3, (y * tileWidth + x) * 3];
        for (let k = 0; k < 3; k++) blended[to + k] += weight * (tile[from + k] + offset[k]);
      }
    }
  }
  // At the picture's edges there is no neighbour to add up with.
  const sumY = total(weightY, plan.rows, plan.height, borderY, height);
  const sumX = total(weightX, plan.columns, plan.width, borderX, width);
  const result = new Uint8ClampedArray(blended.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 3; k++) {
        const i = (y * width + x) * 3 + k;
        result[i] = blended[i] / (sumY[y] * sumX[x]);
      }
    }
  }
  return new Uint8Array(result.buffer);
}

/**
 * @param {number} height
 * @param {number} width
 * @param {number} maxPixels
 * @returns {Plan}
 */
export function planTiles(height, width, maxPixels) {
  const both = 2 * BORDER;
  for (const [rows, together] of CUTS) {
    const core = rows === 1 ? height : coreSize(height, rows);
    const seen = core + (rows > 1 ? both : 0);
    const across = Math.floor((maxPixels / together / (seen + ALIGNMENT) - both) / ALIGNMENT) * ALIGNMENT;
    if (across + both >= MIN_BORDERS * BORDER) {
      const columns = multiple(Math.ceil(width / across), together);
      return { rows, columns, height: core, width: coreSize(width, columns), together };
    }
  }
  const side = Math.sqrt(maxPixels / BLOCKS / 2);
  const [across, down] = [side, 2 * side].map((extent) => Math.max(ALIGNMENT, Math.floor((extent - both) / ALIGNMENT) * ALIGNMENT));
  const [rows, columns] = [Math.ceil(height / down), multiple(Math.ceil(width / across), BLOCKS)];
  return { rows, columns, height: coreSize(height, rows), width: coreSize(width, columns), together: BLOCKS };
}

/**
 * The tiles of each run, from all over the picture.
 * @param {Plan} plan
 */
function runs(plan) {
  const across = plan.columns / plan.together;
  /** @type {[number, number][][]} */
  const all = [];
  for (let row = 0; row < plan.rows; row++) {
    for (let column = 0; column < across; column++) {
      all.push(Array.from({ length: plan.together }, (_, one) => [
        (row + Math.floor((one * plan.rows) / plan.together)) % plan.rows,
        column + one * across,
      ]));
    }
  }
  return all;
}

/**
 * What to add to each tile so that neighbours agree in the mean where they overlap (the gain compensation of panoramas,
 * Brown & Lowe 2007, section 6, with offsets for gains).
 * @param {Map<string, Uint8Array>} painted
 * @param {Plan} plan
 * @param {number} tileHeight
 * @param {number} tileWidth
 */
function level(painted, plan, tileHeight, tileWidth) {
  const places = [...painted.keys()].sort();
  const number = new Map(places.map((place, index) => [place, index]));
  const system = places.map((_, i) => places.map((__, j) => (i === j ? OFFSET_WEIGHT : 0)));
  const right = places.map(() => [0, 0, 0]);
  const [from, to] = [MARGIN / 2, 2 * BORDER - MARGIN / 2]; // without what sees the tile's rim
  for (const place of places) {
    const [row, column] = place.split(',').map(Number);
    for (const [down, across] of [[0, 1], [1, 0]]) {
      const neighbour = `${row + down},${column + across}`;
      const [ours, theirs] = [painted.get(place), painted.get(neighbour)];
      if (!ours || !theirs) continue;
      const sum = [0, 0, 0];
      let count = 0;
      const [outer, inner] = down ? [tileWidth, plan.height] : [tileHeight, plan.width];
      for (let a = 0; a < outer; a += 2) {
        for (let b = from; b < to; b++) {
          const [i, j] = down
            ? [((b + inner) * tileWidth + a) * 3, (b * tileWidth + a) * 3]
            : [(a * tileWidth + b + inner) * 3, (a * tileWidth + b) * 3];
          for (let k = 0; k < 3; k++) sum[k] += ours[i + k] - theirs[j + k];
          count += 1;
        }
      }
      const [i, j] = [number.get(place) ?? 0, number.get(neighbour) ?? 0];
      system[i][i] += 1;
      system[j][j] += 1;
      system[i][j] -= 1;
      system[j][i] -= 1;
      for (let k = 0; k < 3; k++) {
        right[i][k] -= sum[k] / count;
        right[j][k] += sum[k] / count;
      }
    }
  }
  const solved = solve(system, right);
  return new Map(places.map((place, index) => [place, solved[index]]));
}

/**
 * Gauss's elimination; the system is symmetric and positive, so that no pivot is needed.
 * @param {number[][]} system
 * @param {number[][]} right three columns
 */
function solve(system, right) {
  const count = system.length;
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const factor = system[j][i] / system[i][i];
      if (!factor) continue;
      for (let k = i; k < count; k++) system[j][k] -= factor * system[i][k];
      for (let k = 0; k < 3; k++) right[j][k] -= factor * right[i][k];
    }
  }
  for (let i = count - 1; i >= 0; i--) {
    for (let k = 0; k < 3; k++) {
      for (let j = i + 1; j < count; j++) right[i][k] -= system[i][j] * right[j][k];
      right[i][k] /= system[i][i];
    }
  }
  return right;
}

/**
 * Weights of a tile along one axis: two neighbours' sum to 1 where they meet.
 * @param {number} core
 * @param {number} border
 */
function fade(core, border) {
  if (border === 0) return new Float32Array(core).fill(1);
  const weights = new Float32Array(core + 2 * border).fill(1);
  for (let i = 0; i < MARGIN + FADE; i++) {
    const rise = i < MARGIN ? 0 : 0.5 - 0.5 * Math.cos((Math.PI * (i - MARGIN + 0.5)) / FADE);
    weights[i] = rise;
    weights[weights.length - 1 - i] = rise;
  }
  return weights;
}

/**
 * @param {Float32Array} weights
 * @param {number} count
 * @param {number} core
 * @param {number} border
 * @param {number} extent
 */
function total(weights, count, core, border, extent) {
  const sums = new Float32Array(count * core + 2 * border);
  for (let index = 0; index < count; index++) {
    for (let i = 0; i < weights.length; i++) sums[index * core + i] += weights[i];
  }
  return sums.subarray(border, border + extent);
}

/**
 * Copies a part of the picture that may reach beyond it, where it is mirrored.
 * @param {Uint8Array} picture
 * @param {number} width
 * @param {number} height
 * @param {number} top
 * @param {number} left
 * @param {Uint8Array} seen
 * @param {number} index
 * @param {number} tileWidth
 * @param {number} tileHeight
 * @param {number} seenWidth
 */
function cut(picture, width, height, top, left, seen, index, tileWidth, tileHeight, seenWidth) {
  for (let y = 0; y < tileHeight; y++) {
    const row = mirrored(top + y, height) * width;
    for (let x = 0; x < tileWidth; x++) {
      const from = (row + mirrored(left + x, width)) * 3;
      const to = (y * seenWidth + index * tileWidth + x) * 3;
      seen[to] = picture[from];
      seen[to + 1] = picture[from + 1];
      seen[to + 2] = picture[from + 2];
    }
  }
}

/**
 * @param {number} at
 * @param {number} extent
 */
function mirrored(at, extent) {
  const period = Math.max(1, 2 * (extent - 1));
  const inside = ((at % period) + period) % period;
  return Math.min(inside, period - inside);
}

/**
 * @param {number} extent
 * @param {number} count
 */
function coreSize(extent, count) {
  return Math.max(Math.ceil(extent / count / ALIGNMENT) * ALIGNMENT, FADE);
}

/**
 * @param {number} number
 * @param {number} of
 */
function multiple(number, of) {
  return Math.ceil(number / of) * of;
}
