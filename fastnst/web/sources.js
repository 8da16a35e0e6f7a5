// @ts-check
/** Photos and style files as they come: chosen, dropped, pasted. */

import { byId } from './dom.js';

/**
 * Calls `take` with each file that is dropped on the page, pasted, or chosen.
 * @param {(file: File) => void} take
 */
export function watchFiles(take) {
  const input = byId('file', HTMLInputElement);
  input.addEventListener('change', () => {
    for (const file of input.files ?? []) take(file);
    input.value = ''; // the same file may be chosen again
  });
  let depth = 0;
  const over = (/** @type {number} */ step) => {
    depth = Math.max(0, depth + step);
    document.body.toggleAttribute('data-dragging', depth > 0);
  };
  addEventListener('dragenter', (event) => {
    event.preventDefault();
    over(1);
  });
  addEventListener('dragleave', () => over(-1));
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    over(-depth);
    for (const file of event.dataTransfer?.files ?? []) take(file);
  });
  addEventListener('paste', (event) => {
    for (const file of event.clipboardData?.files ?? []) take(file);
  });
}

export function askForFile() {
  byId('file', HTMLInputElement).click();
}

/** @param {File} file */
export function isStyleFile(file) {
  return /\.onnx$/i.test(file.name);
}

/**
 * The picture in a file, upright. Throws an Error with one sentence for what is none.
 * @param {Blob} file
 * @param {string} name
 */
export async function readPhoto(file, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' });
  } catch {
    const heic = /\.(heic|heif)$/i.test(name);
    throw new Error(
      heic
        ? `${name} is a HEIC picture, which this browser cannot read: save it as JPEG first.`
        : `${name} is not a picture that this browser can read.`,
    );
  }
  if (bitmap.width < 16 || bitmap.height < 16) {
    throw new Error(`${name} has ${bitmap.width}×${bitmap.height} pixels: 16×16 is the least.`);
  }
  return bitmap;
}
