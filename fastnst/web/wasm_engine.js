// @ts-check
/** The engine that runs anywhere: onnxruntime-web on the processor, with threads where the page is isolated. */

import * as ort from './ort/ort.wasm.min.mjs';
import { finish } from './finish.js';
import { pictureContext, rgb, rgba, scaled } from './pixels.js';

/** @typedef {import('./finish.js').Finish} Finish */
/** @typedef {import('./finish.js').Matte} Matte */

const MAX_THREADS = 8; // beyond it small networks wait for each other

/**
 * Lets onnxruntime take threads: by itself it takes one. More than one needs an isolated page.
 * @param {number} [threads]
 */
export function setUpRuntime(threads = MAX_THREADS) {
  const cores = navigator.hardwareConcurrency || 1;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(threads, cores) : 1;
  ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href;
  ort.env.logLevel = 'error';
  return ort.env.wasm.numThreads;
}

/**
 * A model file, opened. The caller releases it.
 * @param {Uint8Array} bytes
 */
export function openSession(bytes) {
  return ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
}

/**
 * The first output of a model for one picture.
 * @param {any} session
 * @param {Uint8Array} pixels RGB
 * @param {number} width
 * @param {number} height
 */
export async function runSession(session, pixels, width, height) {
  const image = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
  return (await session.run({ [session.inputNames[0]]: image }))[session.outputNames[0]].data;
}

export class WasmEngine {
  name = 'wasm';
  /** A preview of more pixels would let its user wait for seconds. */
  viewPixels = 1_200_000;
  /** Pixels of one run; above it pictures are restyled in tiles. */
  runPixels = 2_000_000;
  width = 0;
  height = 0;

  constructor() {
    this.threads = setUpRuntime();
    /** @type {any[]} sessions by slot: the style, and the one mixed in */
    this.models = [null, null];
    /** @type {(Uint8ClampedArray | null)[]} what they made of the photo, RGBA */
    this.painted = [null, null];
    this.photo = new Uint8ClampedArray();
    /** @type {Matte | null} */
    this.matte = null;
    /** @type {OffscreenCanvas | null} */
    this.canvas = null;
    this.finished = new Uint8ClampedArray();
  }

  get detail() {
    return `WASM, ${this.threads} ${this.threads === 1 ? 'thread' : 'threads'}`;
  }

  /** @param {OffscreenCanvas} canvas where pictures are shown */
  attach(canvas) {
    this.canvas = canvas;
  }

  /**
   * @param {number} slot
   * @param {Uint8Array | null} bytes of a style model file
   */
  async use(slot, bytes) {
    const model = bytes ? await openSession(bytes) : null;
    await this.models[slot]?.release();
    this.models[slot] = model;
    this.painted[slot] = null;
  }

  /**
   * Takes a picture to restyle.
   * @param {ImageBitmap | VideoFrame} source
   * @param {number} width
   * @param {number} height
   * @param {boolean} mirror
   */
  load(source, width, height, mirror) {
    [this.width, this.height] = [width, height];
    this.photo = pictureContext(source, width, height, mirror).getImageData(0, 0, width, height).data;
  }

  /**
   * Runs the networks.
   * @param {number} stroke size of the strokes, of the style's own
   */
  async paint(stroke) {
    const [width, height] = [Math.round(this.width / stroke), Math.round(this.height / stroke)];
    const input = rgb(scaled(this.photo, this.width, this.height, width, height));
    for (const [slot, model] of this.models.entries()) {
      const found = model && (await runSession(model, input.slice(), width, height));
      this.painted[slot] = found && scaled(rgba(found), width, height, this.width, this.height);
    }
  }

  /** @param {Finish} options */
  async show(options) {
    const first = this.painted[0] ?? this.photo;
    this.finished = finish(this.photo, first, this.painted[1], this.matte, options, this.width);
    if (!this.canvas) return;
    if (this.canvas.width !== this.width) this.canvas.width = this.width;
    if (this.canvas.height !== this.height) this.canvas.height = this.height;
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (this.canvas.getContext('2d', { alpha: false }));
    context.putImageData(new ImageData(this.finished.slice(), this.width, this.height), 0, 0);
  }

  /** What is shown, RGBA. */
  async pixels() {
    return this.finished;
  }

  /**
   * Restyles pixels that are not shown.
   * @param {number} slot
   * @param {Uint8Array} pixels RGB
   * @param {number} width
   * @param {number} height
   * @returns {Promise<Uint8Array>} RGB
   */
  async run(slot, pixels, width, height) {
    return runSession(this.models[slot], pixels, width, height);
  }
}
