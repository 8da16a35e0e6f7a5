// @ts-check
/**
 * What is done to a restyled picture before it is shown: mixing, colours, people, strength.
 *
 * No network runs here, so that these settings answer at once. `gpu/finish.js` does the same in WGSL.
 */

/**
 * @typedef {object} Finish
 * @property {number} strength 0 the photo, 1 the style
 * @property {number} mix share of the second style, 0 … 1
 * @property {boolean} keep the photo's colours
 * @property {'off' | 'person' | 'background'} portrait what is restyled
 */

/**
 * A matte at the size at which the network works, and how it goes on between those pixels: near a pixel the alpha is
 * a linear function of the photo's colours (guided filter; He, Sun, Tang 2013).
 * @typedef {object} Matte
 * @property {number} width
 * @property {number} height
 * @property {Float32Array} planes alpha, slopes of R, G and B; the photo's R, G and B there, 0 (8 numbers a pixel)
 */

const LUMA = [0.299, 0.587, 0.114]; // ITU-R BT.601
const CERTAIN_MARGIN = 5 / 255; // alphas this near to 0 and 1 are those
const OPAQUE_MARGIN = 1 / 255;

/**
 * @param {Uint8ClampedArray} photo RGBA
 * @param {Uint8ClampedArray} first restyled, RGBA
 * @param {Uint8ClampedArray | null} second restyled in the second style
 * @param {Matte | null} matte
 * @param {Finish} options
 * @param {number} width
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA, opaque
 */
export function finish(photo, first, second, matte, options, width) {
  const result = new Uint8ClampedArray(photo.length);
  const share = second ? options.mix : 0;
  const other = second ?? first;
  const map = options.keep ? matchLuma(photo, first, other, share) : null;
  const alphaAt = matte && options.portrait !== 'off' ? refinedAlpha(matte, photo, width) : null;
  const colour = [0, 0, 0];
  for (let i = 0; i < photo.length; i += 4) {
    for (let k = 0; k < 3; k++) colour[k] = first[i + k] + share * (other[i + k] - first[i + k]);
    if (map) keepColour(colour, photo, i, map);
    for (let k = 0; k < 3; k++) colour[k] = photo[i + k] + options.strength * (colour[k] - photo[i + k]);
    if (alphaAt) {
      const alpha = options.portrait === 'person' ? alphaAt(i / 4) : 1 - alphaAt(i / 4);
      for (let k = 0; k < 3; k++) colour[k] = over(colour[k], photo[i + k], alpha);
    }
    for (let k = 0; k < 3; k++) result[i + k] = colour[k]; // rounded and clamped by the array
    result[i + 3] = 255;
  }
  return result;
}

/**
 * Scale and shift that bring the luma of the restyled picture to the photo's mean and spread (Gatys et al. 2016,
 * "Preserving Color in Neural Artistic Style Transfer", eq. 4).
 * @param {Uint8ClampedArray} photo
 * @param {Uint8ClampedArray} first
 * @param {Uint8ClampedArray} other
 * @param {number} share
 */
function matchLuma(photo, first, other, share) {
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < photo.length; i += 4) {
    let [a, b] = [0, 0];
    for (let k = 0; k < 3; k++) {
      a += LUMA[k] * photo[i + k];
      b += LUMA[k] * (first[i + k] + share * (other[i + k] - first[i + k]));
    }
    sums[0] += a;
    sums[1] += a * a;
    sums[2] += b;
    sums[3] += b * b;
  }
  const count = photo.length / 4;
  const [photoMean, mean] = [sums[0] / count, sums[2] / count];
  const photoSpread = Math.sqrt(Math.max(0, sums[1] / count - photoMean ** 2));
  const spread = Math.sqrt(Math.max(0, sums[3] / count - mean ** 2));
  const scale = spread > 1e-3 ? photoSpread / spread : 1;
  return { scale, shift: spread > 1e-3 ? photoMean - mean * scale : 0 };
}

/**
 * The luma of `colour` with the photo's chroma; a colour that would leave the gamut loses chroma, not its hue.
 * @param {number[]} colour changed in place
 * @param {Uint8ClampedArray} photo
 * @param {number} i where the pixel begins
 * @param {{scale: number, shift: number}} map
 */
function keepColour(colour, photo, i, map) {
  const luma = LUMA[0] * colour[0] + LUMA[1] * colour[1] + LUMA[2] * colour[2];
  const target = Math.min(255, Math.max(0, luma * map.scale + map.shift));
  const own = LUMA[0] * photo[i] + LUMA[1] * photo[i + 1] + LUMA[2] * photo[i + 2];
  let fits = 1;
  for (let k = 0; k < 3; k++) {
    const chroma = photo[i + k] - own;
    if (chroma > 0) fits = Math.min(fits, (255 - target) / chroma);
    else if (chroma < 0) fits = Math.min(fits, -target / chroma);
  }
  for (let k = 0; k < 3; k++) colour[k] = target + fits * (photo[i + k] - own);
}

/**
 * @param {number} front sRGB level
 * @param {number} back
 * @param {number} alpha
 */
function over(front, back, alpha) {
  if (alpha >= 1 - OPAQUE_MARGIN) return front;
  if (alpha <= OPAQUE_MARGIN) return back;
  return toSrgb(alpha * toLinear(front) + (1 - alpha) * toLinear(back));
}

/** @param {number} level sRGB, 0 … 255 (IEC 61966-2-1) */
function toLinear(level) {
  const value = level / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** @param {number} light 0 … 1 */
function toSrgb(light) {
  return 255 * (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055);
}

/**
 * The alpha at a pixel of the photo, by its number.
 * @param {Matte} matte
 * @param {Uint8ClampedArray} photo
 * @param {number} width of the photo
 */
export function refinedAlpha(matte, photo, width) {
  const height = photo.length / 4 / width;
  const { planes } = matte;
  const place = (/** @type {number} */ at, /** @type {number} */ from, /** @type {number} */ to) =>
    Math.min(to - 1, Math.max(0, ((at + 0.5) * to) / from - 0.5));
  return (/** @type {number} */ pixel) => {
    const x = place(pixel % width, width, matte.width);
    const y = place(Math.floor(pixel / width), height, matte.height);
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    const [x1, y1] = [Math.min(x0 + 1, matte.width - 1), Math.min(y0 + 1, matte.height - 1)];
    const [fx, fy] = [x - x0, y - y0];
    const at = (/** @type {number} */ k) => {
      const top = planes[8 * (y0 * matte.width + x0) + k] * (1 - fx) + planes[8 * (y0 * matte.width + x1) + k] * fx;
      const low = planes[8 * (y1 * matte.width + x0) + k] * (1 - fx) + planes[8 * (y1 * matte.width + x1) + k] * fx;
      return top * (1 - fy) + low * fy;
    };
    let alpha = at(0);
    for (let k = 0; k < 3; k++) alpha += at(1 + k) * (photo[4 * pixel + k] / 255 - at(4 + k));
    return Math.min(1, Math.max(0, (alpha - CERTAIN_MARGIN) / (1 - 2 * CERTAIN_MARGIN)));
  };
}
