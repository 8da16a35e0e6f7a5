// @ts-check
/** Pixels in memory: between RGB and RGBA, between sizes, out of pictures. */

/**
 * A context that holds a picture at this size, on white where it is transparent.
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 * @param {boolean} [mirror]
 */
export function pictureContext(source, width, height, mirror = false) {
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext('2d', { willReadFrequently: true, alpha: false })
  );
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high'; // averages areas; a single tap would alias
  if (mirror) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(source, 0, 0, width, height);
  return context;
}

/**
 * RGBA at another size; the same array if the size is the same.
 * @param {Uint8ClampedArray} pixels
 * @param {number} width
 * @param {number} height
 * @param {number} toWidth
 * @param {number} toHeight
 * @returns {Uint8ClampedArray}
 */
export function scaled(pixels, width, height, toWidth, toHeight) {
  if (width === toWidth && height === toHeight) return pixels;
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
  context.putImageData(new ImageData(pixels.slice(), width, height), 0, 0);
  return pictureContext(canvas, toWidth, toHeight).getImageData(0, 0, toWidth, toHeight).data;
}

/**
 * @param {Uint8ClampedArray | Uint8Array} pixels RGBA
 * @returns {Uint8Array<ArrayBuffer>} RGB
 */
export function rgb(pixels) {
  const result = new Uint8Array((pixels.length / 4) * 3);
  for (let i = 0, j = 0; i < pixels.length; i += 4, j += 3) {
    result[j] = pixels[i];
    result[j + 1] = pixels[i + 1];
    result[j + 2] = pixels[i + 2];
  }
  return result;
}

/**
 * @param {Uint8Array} pixels RGB
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA, opaque
 */
export function rgba(pixels) {
  const result = new Uint8ClampedArray((pixels.length / 3) * 4);
  for (let i = 0, j = 0; j < pixels.length; i += 4, j += 3) {
    result[i] = pixels[j];
    result[i + 1] = pixels[j + 1];
    result[i + 2] = pixels[j + 2];
    result[i + 3] = 255;
  }
  return result;
}

/**
 * The largest size of this shape with at most so many pixels; never larger than the picture.
 * @param {number} width
 * @param {number} height
 * @param {number} pixels
 * @returns {[number, number]}
 */
export function fitted(width, height, pixels) {
  const factor = Math.min(1, Math.sqrt(pixels / (width * height)));
  return [Math.max(16, Math.round(width * factor)), Math.max(16, Math.round(height * factor))];
}
