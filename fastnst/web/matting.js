// @ts-check
/** The worker that finds people, beside the one that restyles. */

import { openSession, runSession, setUpRuntime } from './wasm_engine.js';
import { guide } from './guided_filter.js';
import { readModel } from './onnx.js';
import { pictureContext, rgb } from './pixels.js';

const STRIDE = 32;
const DEFAULT_REFERENCE = 256; // of a model file that does not say it, as in fastnst/runtime/models/metadata.py
const MAX_ASPECT = 4; // long side in short sides up to which a picture is scaled by its short side
const MIN_PERSON_SHARE = 0.004; // share of the picture; below it there are but specks
const MIN_CONFIDENT_SHARE = 0.4; // share of what is more than a trace that is nearly 1 where people are

/** @type {any} */
let session;
let reference = 0; // the short side at which the network works best

/** @type {Record<string, (message: any) => any>} */
const answers = {
  async open({ bytes }) {
    setUpRuntime(2); // the style's network needs the others
    reference = Number(readModel(bytes).properties['fastnst.reference_size']) || DEFAULT_REFERENCE;
    session = await openSession(bytes);
  },

  /** The matte of a picture, or null where nobody is found. */
  async find({ picture, mirror = false }) {
    const { width, height } = workingSize(picture.displayWidth ?? picture.width, picture.displayHeight ?? picture.height);
    const pixels = pictureContext(picture, width, height, mirror).getImageData(0, 0, width, height).data;
    picture.close();
    const alpha = await runSession(session, rgb(pixels), width, height);
    return hasPerson(alpha) ? { width, height, planes: guide(alpha, pixels, width, height) } : null;
  },
};

/**
 * Short side at the size at which the network works best, both sides multiples of 32.
 * @param {number} width
 * @param {number} height
 */
function workingSize(width, height) {
  const scale = Math.min(reference / Math.min(width, height), (MAX_ASPECT * reference) / Math.max(width, height));
  const side = (/** @type {number} */ extent) => Math.max(1, Math.round((extent * scale) / STRIDE)) * STRIDE;
  return { width: side(width), height: side(height) };
}

/** @param {Float32Array} alpha */
function hasPerson(alpha) {
  const share = (/** @type {number} */ least) => alpha.reduce((sum, value) => sum + Number(value > least), 0) / alpha.length;
  return share(0.5) >= MIN_PERSON_SHARE && share(0.9) >= MIN_CONFIDENT_SHARE * share(0.1);
}

let queue = Promise.resolve();
self.addEventListener('message', ({ data }) => {
  queue = queue.then(async () => {
    try {
      postMessage({ id: data.id, result: await answers[data.type](data) });
    } catch (error) {
      postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
});
