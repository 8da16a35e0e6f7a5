// @ts-check
/** The engine for graphics cards: WebGPU, with shaders of our own made from the model's graph. */

import { UnknownOperator } from './constants.js';
import { DeviceMemory, GpuModel } from './plan.js';
import { finishShader, LUMA_PARTS, lumaShader, resampleShader, showShader } from './passes.js';
import { openSession, runSession, setUpRuntime } from '../wasm_engine.js';
import { pictureContext, rgb, rgba } from '../pixels.js';
import { readModel } from '../onnx.js';

/** @typedef {import('../finish.js').Finish} Finish */
/** @typedef {import('../finish.js').Matte} Matte */

const VIEW_PIXELS = 4_000_000;
const RUN_PIXELS = 4_000_000;
const MOST_MEMORY = 1.5e9; // bytes for what lives between kernels; cards share it with everything else
const PORTRAITS = { off: 0, person: 1, background: 2 };
const LIMITS = /** @type {const} */ (['maxStorageBufferBindingSize', 'maxBufferSize', 'maxTextureDimension2D', 'maxStorageBuffersPerShaderStage']);

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
    if (!navigator.gpu) throw new Error('this browser has no WebGPU');
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) throw new Error('there is no graphics card that WebGPU can use');
    const { isFallbackAdapter, vendor, architecture, description } = /** @type {any} */ (adapter.info ?? {});
    const isSoftware = isFallbackAdapter || /** @type {any} */ (adapter).isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${vendor} ${architecture} ${description}`);
    if (isSoftware && !anyAdapter) throw new Error('WebGPU would compute on the processor here, more slowly than WASM');
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    /** @type {GPUFeatureName[]} */
    const requiredFeatures = adapter.features.has('shader-f16') ? ['shader-f16'] : [];
    const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
    const card = isSoftware ? 'on the processor' : [vendor, architecture].filter(Boolean).join(' ');
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
      const most = Math.min(this.device.limits.maxStorageBufferBindingSize / model.cost.largest, MOST_MEMORY / model.cost.total);
      this.viewPixels = Math.floor(Math.min(VIEW_PIXELS, most));
      this.runPixels = Math.floor(Math.min(RUN_PIXELS, most));
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
    this.#pass('texture', texture.createView(), this.#buffer('photo', 4 * width * height), [width, height, texture.width, texture.height, Number(mirror)]);
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

  /**
   * Resamples, soon.
   * @param {'texture' | 'buffer'} kind
   * @param {GPUTextureView | GPUBuffer} from
   * @param {GPUBuffer} to
   * @param {number[]} sizes
   */
  #pass(kind, from, to, sizes) {
    const text = resampleShader(kind);
    const pipeline = this.pipelines?.get(text);
    if (!pipeline) throw new Error('the engine is not ready');
    const resource = kind === 'texture' ? /** @type {GPUTextureView} */ (from) : { buffer: /** @type {GPUBuffer} */ (from) };
    this.#dispatch(pipeline, [{ buffer: this.#uniform(sizes, []) }, resource, { buffer: to }], [Math.ceil(sizes[0] / 8), Math.ceil(sizes[1] / 8)]);
  }

  /** Compiles the shaders around the networks. */
  async prepare() {
    const texts = [resampleShader('texture'), resampleShader('buffer'), lumaShader, finishShader];
    const made = await Promise.all(texts.map((text) => this.memory.pipeline(text)));
    this.pipelines = new Map(texts.map((text, i) => [text, made[i]]));
  }

  /** @param {number[]} integers @param {number[]} floats after them */
  #uniform(integers, floats) {
    const data = new ArrayBuffer(32);
    new Uint32Array(data).set(integers);
    new Float32Array(data).set(floats, integers.length);
    return this.#uniformOf(data);
  }

  /** @param {ArrayBuffer} data */
  #uniformOf(data) {
    const buffer = this.device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /**
   * @param {GPUComputePipeline} pipeline
   * @param {GPUBindingResource[]} resources
   * @param {number[]} groups
   */
  #dispatch(pipeline, resources, groups) {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    pass.setBindGroup(0, this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(groups[0], groups[1] ?? 1);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /** @param {number} stroke */
  async paint(stroke) {
    const { width, height } = this;
    const [seenWidth, seenHeight] = [Math.round(width / stroke), Math.round(height / stroke)];
    const same = seenWidth === width && seenHeight === height;
    let input = this.#buffer('photo', 4 * width * height);
    if (!same) {
      const seen = this.#buffer('seen', 4 * seenWidth * seenHeight);
      this.#pass('buffer', input, seen, [seenWidth, seenHeight, width, height, 0]);
      input = seen;
    }
    for (const [slot, model] of this.models.entries()) {
      this.painted[slot] = null;
      if (!model) continue;
      const output = await this.#run(model, input, seenWidth, seenHeight);
      this.painted[slot] = output;
      if (same) continue;
      const enlarged = this.#buffer(`enlarged ${slot}`, 4 * width * height);
      this.#pass('buffer', output, enlarged, [width, height, seenWidth, seenHeight, 0]);
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
    const second = this.painted[1] ?? first;
    const data = new ArrayBuffer(32);
    new Uint32Array(data).set([width, height, matte?.width ?? 0, matte?.height ?? 0]);
    new Float32Array(data).set([options.strength, this.painted[1] ? options.mix : 0], 4);
    new Uint32Array(data).set([Number(options.keep), matte ? PORTRAITS[options.portrait] : 0], 6);
    const uniform = { buffer: this.#uniformOf(data) };
    const parts = { buffer: this.#buffer('parts', 16 * LUMA_PARTS) };
    const pictures = [photo, first, second].map((buffer) => ({ buffer }));
    const pipeline = (/** @type {string} */ text) => /** @type {GPUComputePipeline} */ (this.pipelines?.get(text));
    if (options.keep) this.#dispatch(pipeline(lumaShader), [uniform, ...pictures, parts], [LUMA_PARTS]);
    const finished = this.#buffer('finished', size);
    const planes = { buffer: this.#buffer('matte', 32) };
    this.#dispatch(pipeline(finishShader), [uniform, ...pictures, parts, planes, { buffer: finished }], [Math.ceil(width / 8), Math.ceil(height / 8)]);
    this.#draw(finished);
    await this.device.queue.onSubmittedWorkDone();
    uniform.buffer.destroy();
  }

  /** @param {GPUBuffer} picture */
  #draw(picture) {
    if (!this.context || !this.canvas || !this.format) return;
    if (this.canvas.width !== this.width) this.canvas.width = this.width;
    if (this.canvas.height !== this.height) this.canvas.height = this.height;
    if (!this.drawing) {
      const module = this.device.createShaderModule({ code: showShader });
      this.drawing = this.device.createRenderPipeline({
        layout: 'auto',
        vertex: { module, entryPoint: 'corner' },
        fragment: { module, entryPoint: 'colour', targets: [{ format: this.format }] },
      });
    }
    const entries = [{ buffer: this.#uniform([this.width, this.height], []) }, { buffer: picture }].map((resource, binding) => ({ binding, resource }));
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view: this.context.getCurrentTexture().createView(), loadOp: 'clear', storeOp: 'store' }],
    });
    pass.setPipeline(this.drawing);
    pass.setBindGroup(0, this.device.createBindGroup({ layout: this.drawing.getBindGroupLayout(0), entries }));
    pass.draw(3);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
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

/** A style that the shaders cannot run. */
class WasmModel {
  /** @param {any} session */
  constructor(session) {
    this.session = session;
    /** @type {GPUBuffer | null} */
    this.output = null;
  }

  /** @param {Uint8Array} bytes */
  static async open(bytes) {
    setUpRuntime();
    return new WasmModel(await openSession(bytes));
  }

  /**
   * @param {Uint8Array} pixels
   * @param {number} width
   * @param {number} height
   */
  run(pixels, width, height) {
    return runSession(this.session, pixels, width, height);
  }

  async release() {
    this.output?.destroy();
    await this.session.release();
  }
}
