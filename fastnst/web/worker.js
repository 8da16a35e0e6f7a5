// @ts-check
/** The worker that restyles. It answers each message of the page, in order, with `{id, result}` or `{id, error}`. */

import { finish } from './finish.js';
import { fitted, pictureContext, rgb, rgba, scaled } from './pixels.js';
import { readModel, whyNoStyle } from './onnx.js';
import { openEngine } from './engines.js';
import { runInTiles } from './tiles.js';

/** @typedef {import('./finish.js').Finish} Finish */

/** @type {import('./engines.js').Engine} */
let engine;
/** @type {ImageBitmap | null} the photo at its full size */
let photo = null;
let photoMirror = false;
let cancelled = false;

/** @type {Record<string, (message: any) => any>} */
const answers = {
  /** Opens an engine; `canvas` is what it draws to. */
  async open({ canvas, wanted }) {
    const opened = await openEngine(wanted);
    opened.engine.matte = engine?.matte ?? null; // that of an engine that was lost
    engine = opened.engine;
    engine.attach(canvas);
    engine.onLost = (/** @type {string} */ reason) => postMessage({ lost: reason });
    return { name: engine.name, detail: engine.detail, why: opened.why };
  },

  /** Reads a style model file; throws for what is foreign to the contract. */
  async describe({ bytes }) {
    const model = readModel(bytes);
    const reason = whyNoStyle(model);
    if (reason) throw new Error(`it is not a fastnst style model: ${reason}`);
    return model.properties;
  },

  /** Opens a style; the answer is what runs it. */
  async use({ slot, bytes }) {
    await engine.use(slot, bytes);
    return engine.detail;
  },

  /** Takes a photo; the answer is the size at which it is shown. */
  async photo({ bitmap, pixels }) {
    photo?.close();
    photo = bitmap;
    photoMirror = false;
    return answers.view({ pixels });
  },

  /** Shows the photo at another size. */
  view({ pixels }) {
    if (!photo) throw new Error('there is no photo');
    const [width, height] = fitted(photo.width, photo.height, Math.min(pixels ?? Infinity, engine.viewPixels));
    engine.load(photo, width, height, photoMirror);
    return { width, height };
  },

  /** One frame of the camera: restyled and shown. */
  async frame({ frame, width, height, mirror, stroke, options }) {
    const start = performance.now();
    try {
      engine.load(frame, width, height, mirror);
    } finally {
      frame.close();
    }
    await engine.paint(stroke);
    await engine.show(options);
    return { ms: performance.now() - start };
  },

  async paint({ stroke, options }) {
    const start = performance.now();
    if (engine.width * engine.height > engine.viewPixels) answers.view({}); // this style needs more memory than the last
    await engine.paint(stroke);
    await engine.show(options);
    return { ms: performance.now() - start, width: engine.width, height: engine.height };
  },

  async show({ options }) {
    await engine.show(options);
  },

  matte({ matte }) {
    engine.matte = matte;
  },

  /** The picture as a file: what is shown, or with `full` the photo at its own size. */
  async save({ type, quality, full, stroke, options }) {
    let [width, height] = [engine.width, engine.height];
    let pixels = await engine.pixels();
    if (full && photo && (photo.width !== width || photo.height !== height)) {
      [width, height] = [photo.width, photo.height];
      pixels = await paintAtFullSize(photo, stroke, options);
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
    context.putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
    return { blob: await canvas.convertToBlob({ type, quality }), width, height };
  },
};

/**
 * @param {ImageBitmap} bitmap
 * @param {number} stroke
 * @param {Finish} options
 */
async function paintAtFullSize(bitmap, stroke, options) {
  const { width, height } = bitmap;
  cancelled = false;
  const whole = pictureContext(bitmap, width, height).getImageData(0, 0, width, height).data;
  const [seenWidth, seenHeight] = [Math.round(width / stroke), Math.round(height / stroke)];
  const seen = rgb(scaled(whole, width, height, seenWidth, seenHeight));
  const slots = [0, 1].filter((slot) => engine.models[slot]);
  const painted = [];
  for (const slot of slots) {
    const found = await runInTiles(seen, seenWidth, seenHeight, engine.runPixels, async (pixels, w, h) => {
      if (cancelled) throw new Error('cancelled');
      return engine.run(slot, pixels, w, h);
    }, (share) => postMessage({ progress: (slots.indexOf(slot) + share) / slots.length }));
    painted.push(scaled(rgba(found), seenWidth, seenHeight, width, height));
  }
  return finish(whole, painted[0], painted[1] ?? null, engine.matte, options, width);
}

let queue = Promise.resolve();
self.addEventListener('message', ({ data }) => {
  if (data.type === 'cancel') {
    cancelled = true;
    return;
  }
  queue = queue.then(async () => {
    try {
      postMessage({ id: data.id, result: await answers[data.type](data) });
    } catch (error) {
      postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
});
