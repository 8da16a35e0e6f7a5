// @ts-check
/** The engine for graphics cards: WebGPU, with shaders of our own made from the model's graph. */

import { UnknownOperator } from './constants.js';
import { openDevice } from './device.js';
import { LUMA_PARTS } from './pass_shaders.js';
import { Passes } from './passes.js';
import { DeviceMemory, GpuModel } from './plan.js';
import { WasmModel } from './wasm_model.js';
import { readModel } from '../onnx.js';
import { pictureContext, rgb, rgba } from '../pixels.js';

/** @typedef {import('../finish.js').Finish} Finish */
/** @typedef {import('../finish.js').Matte} Matte */

const VIEW_PIXELS = 4_000_000; // of a preview
const RUN_PIXELS = 4_000_000; // of one run; above it pictures are restyled in tiles
const MAX_MEMORY = 1.5e9; // bytes for what lives between kernels; cards share it with everything else

export class GpuEngine {
  name = 'webgpu';
  viewPixels = VIEW_PIXELS;
  runPixels = RUN_PIXELS;
  width = 0;
  height = 0;

  /**
   * @param {GPUDevice} device
   * @param {string} card what it is called
   */
  constructor(device, card) {
    this.device = device;
    this.card = card;
    this.half = device.features.has('shader-f16');
    this.memory = new DeviceMemory(device);
    this.passes = new Passes(this.memory);
    /** @type {(GpuModel | WasmModel | null)[]} */
    this.models = [null, null];
    /** @type {(GPUBuffer | null)[]} restyled by slot, at the size of the view */
    this.painted = [null, null];
    /** @type {Map<string, GPUBuffer>} of the view and of the last pass */
    this.buffers = new Map();
    /** @type {Matte | null} */
    this.matteOf = null;
    /** @type {GPUCanvasContext | null} */
    this.context = null;
    /** @type {OffscreenCanvas | null} */
    this.canvas = null;
    /** @type {GPUTexture | null} */
    this.texture = null;
    this.reasons = ['', '']; // why a style does not run here, by slot
    /** @type {(reason: string) => void} */
    this.onLost = () => {};
    void device.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.onLost(message);
    });
  }

  /**
   * Throws an Error that says why there is none.
   * @param {boolean} anyAdapter also one that computes on the processor
   */
  static async open(anyAdapter) {
    const { device, card } = await openDevice(anyAdapter);
    return new GpuEngine(device, card);
  }

  get aside() {
    return this.reasons.find(Boolean) ?? '';
  }

  get detail() {
    const own = `WebGPU${this.card ? ` (${this.card})` : ''}`;
    return this.aside ? `WASM, since ${this.aside}` : own;
  }

  /** @param {OffscreenCanvas} canvas */
  attach(canvas) {
    this.canvas = canvas;
    this.context = /** @type {GPUCanvasContext} */ (canvas.getContext('webgpu'));
    this.format = navigator.gpu.getPreferredCanvasFormat();
    this.context.configure({ device: this.device, format: this.format, alphaMode: 'opaque' });
  }

  /**
   * Opens a style; one with operators that the shaders do not know runs in WASM, and `detail` says so.
   * @param {number} slot
   * @param {Uint8Array | null} bytes
   */
  async use(slot, bytes) {
    await this.models[slot]?.release();
    [this.models[slot], this.painted[slot]] = [null, null];
    this.reasons[slot] = '';
    if (!bytes) return;
    try {
      const model = new GpuModel(this.memory, readModel(bytes), this.half);
      const pixels = Math.min(this.device.limits.maxStorageBufferBindingSize / model.cost.largest, MAX_MEMORY / model.cost.total);
      this.viewPixels = Math.floor(Math.min(VIEW_PIXELS, pixels));
      this.runPixels = Math.floor(Math.min(RUN_PIXELS, pixels));
      this.models[slot] = model;
    } catch (error) {
      if (!(error instanceof UnknownOperator)) throw error;
      this.reasons[slot] = error.message;
      this.models[slot] = await WasmModel.open(bytes);
    }
  }

  /**
   * @param {ImageBitmap | VideoFrame} source
   * @param {number} width
   * @param {number} height
   * @param {boolean} mirror
   */
  load(source, width, height, mirror) {
    this.#resize(width, height);
    const size = 'displayWidth' in source ? [source.displayWidth, source.displayHeight] : [source.width, source.height];
    const limit = this.device.limits.maxTextureDimension2D;
    const fits = Math.max(...size) <= limit;
    try {
      if (!fits) throw new Error('too large for a texture');
      this.#upload(source, size[0], size[1]);
    } catch {
      // Some browsers refuse frames of some cameras.
      this.#upload(pictureContext(source, width, height).canvas, width, height);
    }
    const texture = /** @type {GPUTexture} */ (this.texture);
    this.passes.resample('texture', texture.createView(), this.#buffer('photo', 4 * width * height), [width, height, texture.width, texture.height, Number(mirror)]);
  }

  /**
   * @param {ImageBitmap | VideoFrame | OffscreenCanvas} source
   * @param {number} width
   * @param {number} height
   */
  #upload(source, width, height) {
    if (this.texture?.width !== width || this.texture.height !== height) {
      this.texture?.destroy();
      const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT;
      this.texture = this.device.createTexture({ size: [width, height], format: 'rgba8unorm', usage });
    }
    this.device.queue.copyExternalImageToTexture({ source }, { texture: this.texture }, [width, height]);
  }

  /** @param {number} width @param {number} height */
  #resize(width, height) {
    if (this.width === width && this.height === height) return;
    [this.width, this.height] = [width, height];
    for (const name of ['photo', 'seen', 'finished', 'enlarged 0', 'enlarged 1']) {
      this.buffers.get(name)?.destroy();
      this.buffers.delete(name);
    }
    this.painted = [null, null];
    this.texture?.destroy();
    this.texture = null;
  }

  /** @param {string} name @param {number} size */
  #buffer(name, size) {
    let found = this.buffers.get(name);
    if (!found || found.size < size) {
      found?.destroy();
      found = this.memory.create(size, name);
      this.buffers.set(name, found);
    }
    return found;
  }

  /** Compiles the shaders around the networks. */
  prepare() {
    return this.passes.prepare();
  }

  /** @param {number} stroke */
  async paint(stroke) {
    const { width, height } = this;
    const [seenWidth, seenHeight] = [Math.round(width / stroke), Math.round(height / stroke)];
    const same = seenWidth === width && seenHeight === height;
    let input = this.#buffer('photo', 4 * width * height);
    if (!same) {
      const seen = this.#buffer('seen', 4 * seenWidth * seenHeight);
      this.passes.resample('buffer', input, seen, [seenWidth, seenHeight, width, height, 0]);
      input = seen;
    }
    for (const [slot, model] of this.models.entries()) {
      this.painted[slot] = null;
      if (!model) continue;
      const output = await this.#run(model, input, seenWidth, seenHeight);
      this.painted[slot] = output;
      if (same) continue;
      const enlarged = this.#buffer(`enlarged ${slot}`, 4 * width * height);
      this.passes.resample('buffer', output, enlarged, [width, height, seenWidth, seenHeight, 0]);
      this.painted[slot] = enlarged;
    }
  }

  /**
   * @param {GpuModel | WasmModel} model
   * @param {GPUBuffer} input
   * @param {number} width
   * @param {number} height
   */
  async #run(model, input, width, height) {
    if (model instanceof WasmModel) {
      const pixels = rgb(await this.memory.read(input, 4 * width * height));
      const found = rgba(await model.run(pixels, width, height));
      model.output?.destroy();
      model.output = this.memory.upload(found);
      return model.output;
    }
    const plan = await model.plan(width, height, input);
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.run(pass);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
    return /** @type {GPUBuffer} */ (plan.output);
  }

  /** @param {Matte | null} matte */
  set matte(matte) {
    this.matteOf = matte;
    this.buffers.get('matte')?.destroy();
    this.buffers.delete('matte');
    if (matte) this.buffers.set('matte', this.memory.upload(matte.planes));
  }

  get matte() {
    return this.matteOf;
  }

  /** @param {Finish} options */
  async show(options) {
    const { width, height, matteOf: matte } = this;
    const size = 4 * width * height;
    const photo = this.#buffer('photo', size);
    const first = this.painted[0] ?? photo;
    const buffers = {
      pictures: [photo, first, this.painted[1] ?? first],
      parts: this.#buffer('parts', 16 * LUMA_PARTS),
      matte: this.#buffer('matte', 32),
      finished: this.#buffer('finished', size),
    };
    this.passes.finish(buffers, width, height, { ...options, mix: this.painted[1] ? options.mix : 0 }, matte);
    if (this.canvas && this.context && this.format) {
      if (this.canvas.width !== width) this.canvas.width = width;
      if (this.canvas.height !== height) this.canvas.height = height;
      this.passes.draw(buffers.finished, width, height, this.context, this.format);
    }
    await this.device.queue.onSubmittedWorkDone();
  }

  /** What is shown, RGBA. */
  pixels() {
    const size = 4 * this.width * this.height;
    return this.memory.read(this.#buffer('finished', size), size);
  }

  /**
   * @param {number} slot
   * @param {Uint8Array} pixels RGB
   * @param {number} width
   * @param {number} height
   * @returns {Promise<Uint8Array>} RGB
   */
  async run(slot, pixels, width, height) {
    const model = this.models[slot];
    if (!model) throw new Error('no style is open');
    const input = this.memory.upload(rgba(pixels));
    try {
      const output = await this.#run(model, input, width, height);
      return rgb(await this.memory.read(output, 4 * width * height));
    } finally {
      input.destroy();
    }
  }
}
