// @ts-check
/**
 * How a coarse matte goes on between its pixels: near each the alpha is taken as a linear function of the photo's colours
 * (the guided filter; He, Sun, Tang 2013, equations 19-20), as in fastnst/runtime/imaging/guided_filter.py.
 */

const RADIUS = 2;
const EPSILON = 1e-4;

/**
 * @param {Float32Array} alpha in [0, 1]
 * @param {Uint8ClampedArray} pixels of the photo at the same size, RGBA
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array} 8 numbers a pixel: alpha, slopes of R, G and B; R, G and B, 0
 */
export function guide(alpha, pixels, width, height) {
  const count = width * height;
  const planes = Array.from({ length: 3 }, (_, k) => Float64Array.from({ length: count }, (__, i) => pixels[4 * i + k] / 255));
  const values = Float64Array.from(alpha);
  const mean = (/** @type {Float64Array} */ plane) => boxMean(plane, width, height);
  const product = (/** @type {Float64Array} */ a, /** @type {Float64Array} */ b) => a.map((value, i) => value * b[i]);
  const means = planes.map(mean);
  const meanValue = mean(values);
  const covariance = planes.map((plane, k) => mean(product(plane, values)).map((value, i) => value - means[k][i] * meanValue[i]));
  const variance = (/** @type {number} */ a, /** @type {number} */ b) =>
    mean(product(planes[a], planes[b])).map((value, i) => value - means[a][i] * means[b][i] + (a === b ? EPSILON : 0));
  const [xx, xy, xz, yy, yz, zz] = [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]].map(([a, b]) => variance(a, b));
  const slopes = [0, 1, 2].map(() => new Float64Array(count));
  for (let i = 0; i < count; i++) {
    // The symmetric 3×3 system of each pixel, by its cofactors.
    const [a, b, c] = [yy[i] * zz[i] - yz[i] ** 2, yz[i] * xz[i] - xy[i] * zz[i], xy[i] * yz[i] - xz[i] * yy[i]];
    const [d, e, f] = [xx[i] * zz[i] - xz[i] ** 2, xy[i] * xz[i] - xx[i] * yz[i], xx[i] * yy[i] - xy[i] ** 2];
    const determinant = Math.max(xx[i] * a + xy[i] * b + xz[i] * c, 1e-18);
    const [p, q, r] = covariance.map((plane) => plane[i]);
    slopes[0][i] = (a * p + b * q + c * r) / determinant;
    slopes[1][i] = (b * p + d * q + e * r) / determinant;
    slopes[2][i] = (c * p + e * q + f * r) / determinant;
  }
  const smooth = slopes.map(mean);
  const result = new Float32Array(8 * count);
  for (let i = 0; i < count; i++) {
    result[8 * i] = alpha[i];
    for (let k = 0; k < 3; k++) {
      result[8 * i + 1 + k] = smooth[k][i];
      result[8 * i + 4 + k] = planes[k][i];
    }
  }
  return result;
}

/**
 * The mean around each pixel; beyond the edge the edge goes on.
 * @param {Float64Array} plane
 * @param {number} width
 * @param {number} height
 */
function boxMean(plane, width, height) {
  const [across, result] = [new Float64Array(plane.length), new Float64Array(plane.length)];
  const clamp = (/** @type {number} */ at, /** @type {number} */ extent) => Math.min(extent - 1, Math.max(0, at));
  const side = 2 * RADIUS + 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = -RADIUS; k <= RADIUS; k++) sum += plane[y * width + clamp(x + k, width)];
      across[y * width + x] = sum / side;
    }
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = -RADIUS; k <= RADIUS; k++) sum += across[clamp(y + k, height) * width + x];
      result[y * width + x] = sum / side;
    }
  }
  return result;
}
