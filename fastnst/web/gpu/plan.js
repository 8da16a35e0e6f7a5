// @ts-check
/** Kernels on a device: pipelines, memory that values share, and running them all. */

import { Lowering } from './lowering.js';

/** @typedef {import('./kernels.js').VirtualBuffer} VirtualBuffer */
/** @typedef {import('./kernels.js').Kernel} Kernel */

const UNIFORM_ALIGNMENT = 256; // offsets in a uniform buffer
const MAX_SIZE_RATIO = 2; // memory is shared by a value that takes at least the half of it

/** Pipelines by their text, and memory for values that live between kernels. Plans run one after the other. */
export class DeviceMemory {
  /** @param {GPUDevice} device */
  constructor(device) {
    this.device = device;
    /** @type {Map<string, Promise<GPUComputePipeline>>} */
    this.pipelines = new Map();
    /** @type {{buffer: GPUBuffer, size: number, plans: Set<Plan>}[]} */
    this.pool = [];
  }

  /** @param {string} text WGSL with an entry point `main` */
  pipeline(text) {
    let found = this.pipelines.get(text);
    if (!found) {
      const module = this.device.createShaderModule({ code: text });
      found = this.device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
      this.pipelines.set(text, found);
    }
    return found;
  }

  /** @param {number} size @param {string} [label] */
  create(size, label) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.device.createBuffer({ size: Math.ceil(size / 16) * 16, usage, label });
  }

  /** @param {ArrayBufferView} data */
  upload(data) {
    const buffer = this.create(data.byteLength);
    const bytes = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  /** Takes memory from plans that are gone. @param {Plan} plan */
  release(plan) {
    for (const shared of this.pool) shared.plans.delete(plan);
    for (const { buffer } of this.pool.filter(({ plans }) => plans.size === 0)) buffer.destroy();
    this.pool = this.pool.filter(({ plans }) => plans.size > 0);
  }

  /**
   * Bytes of a buffer.
   * @param {GPUBuffer} buffer
   * @param {number} size
   */
  async read(buffer, size) {
    const copy = this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, copy, 0, size);
    this.device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const bytes = new Uint8ClampedArray(copy.getMappedRange().slice(0));
    copy.destroy();
    return bytes;
  }
}

/** A model on a device, for one size of the picture. */
export class Plan {
  /** @param {DeviceMemory} memory */
  constructor(memory) {
    this.memory = memory;
    /** @type {{pipeline: GPUComputePipeline, group: GPUBindGroup, groups: number[]}[]} */
    this.steps = [];
    /** @type {GPUBuffer | null} */
    this.parameters = null;
    /** @type {GPUBuffer | null} */
    this.output = null;
  }

  /**
   * @param {DeviceMemory} memory
   * @param {import('./lowering.js').Program} program
   * @param {Map<string, GPUBuffer>} weights of the model, filled as needed
   * @param {GPUBuffer} input bytes of the picture, RGBA
   */
  static async make(memory, program, weights, input) {
    const plan = new Plan(memory);
    const { device } = memory;
    plan.output = memory.create(program.output.bytes, 'restyled');
    const pipelines = await Promise.all(program.kernels.map(({ text }) => memory.pipeline(text)));
    const places = plan.#allocate(program.kernels);
    places.set(program.input, input);
    places.set(program.output, plan.output);
    /** @type {number[]} */
    const offsets = [];
    let size = 0;
    for (const { parameters } of program.kernels) {
      offsets.push(size);
      size += Math.ceil((4 * parameters.length) / UNIFORM_ALIGNMENT) * UNIFORM_ALIGNMENT;
    }
    const numbers = new Int32Array(size / 4);
    program.kernels.forEach(({ parameters }, i) => numbers.set(parameters, offsets[i] / 4));
    plan.parameters = device.createBuffer({ size, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(plan.parameters, 0, numbers);
    plan.steps = program.kernels.map((kernel, i) => {
      const entries = kernel.bindings.map(({ buffer }, k) => ({ binding: k + 1, resource: { buffer: place(buffer) } }));
      const own = { buffer: /** @type {GPUBuffer} */ (plan.parameters), offset: offsets[i], size: Math.ceil(kernel.parameters.length / 4) * 16 };
      const group = device.createBindGroup({
        layout: pipelines[i].getBindGroupLayout(0), entries: [{ binding: 0, resource: own }, ...entries],
      });
      return { pipeline: pipelines[i], group, groups: kernel.groups };
    });
    return plan;

    /** @param {VirtualBuffer} buffer */
    function place(buffer) {
      if (!buffer.key) return /** @type {GPUBuffer} */ (places.get(buffer));
      let found = weights.get(buffer.key);
      if (!found) {
        found = memory.upload(/** @type {() => ArrayBufferView} */ (buffer.data)());
        weights.set(buffer.key, found);
      }
      return found;
    }
  }

  /**
   * Memory for what lives between kernels: a value takes the place of one that is not needed any more.
   * @param {Kernel[]} kernels
   */
  #allocate(kernels) {
    const last = lastUses(kernels);
    /** @type {Map<VirtualBuffer, GPUBuffer>} */
    const places = new Map();
    const free = [...this.memory.pool];
    /** @type {Map<VirtualBuffer, typeof free[0]>} */
    const taken = new Map();
    kernels.forEach(({ bindings }, i) => {
      for (const { buffer, write } of bindings) {
        if (!write || buffer.role) continue;
        const fits = free.filter(({ size }) => size >= buffer.bytes && size <= MAX_SIZE_RATIO * buffer.bytes).sort((a, b) => a.size - b.size);
        let shared = fits[0];
        if (shared) free.splice(free.indexOf(shared), 1);
        else {
          shared = { buffer: this.memory.create(buffer.bytes), size: buffer.bytes, plans: new Set() };
          this.memory.pool.push(shared);
        }
        shared.plans.add(this);
        taken.set(buffer, shared);
        places.set(buffer, shared.buffer);
      }
      for (const [buffer, shared] of taken) {
        if (last.get(buffer) !== i) continue;
        free.push(shared);
        taken.delete(buffer);
      }
    });
    return places;
  }

  /** @param {GPUComputePassEncoder} pass */
  run(pass) {
    for (const { pipeline, group, groups } of this.steps) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    }
  }

  destroy() {
    this.memory.release(this);
    this.parameters?.destroy();
    this.output?.destroy();
  }
}

/** @param {Kernel[]} kernels */
function lastUses(kernels) {
  /** @type {Map<VirtualBuffer, number>} */
  const last = new Map();
  kernels.forEach(({ bindings }, i) => bindings.forEach(({ buffer }) => last.set(buffer, i)));
  return last;
}

/** A model on a device. */
export class GpuModel {
  /**
   * @param {DeviceMemory} memory
   * @param {import('../onnx.js').Model} model
   * @param {boolean} half
   */
  constructor(memory, model, half) {
    this.memory = memory;
    this.model = model;
    this.half = half;
    /** @type {Map<string, GPUBuffer>} */
    this.weights = new Map();
    /** @type {Map<string, {plan: Plan, input: GPUBuffer}>} */
    this.plans = new Map();
    this.cost = memoryPerPixel(model, half); // throws for what this engine does not know
  }

  /**
   * The plan for a size; those for others than the last two are given up.
   * @param {number} width
   * @param {number} height
   * @param {GPUBuffer} input
   */
  async plan(width, height, input) {
    const key = `${width}×${height}`;
    const found = this.plans.get(key);
    if (found?.input === input) return found.plan;
    found?.plan.destroy();
    this.plans.delete(key);
    for (const [other, { plan }] of [...this.plans].slice(0, -1)) {
      plan.destroy();
      this.plans.delete(other);
    }
    const plan = await Plan.make(this.memory, new Lowering(this.model, height, width, this.half).run(), this.weights, input);
    this.plans.set(key, { plan, input });
    return plan;
  }

  async release() {
    for (const { plan } of this.plans.values()) plan.destroy();
    for (const buffer of this.weights.values()) buffer.destroy();
    this.plans.clear();
  }
}

/**
 * Bytes that a pixel takes: of the largest value, and of all that lives at once at least.
 * @param {import('../onnx.js').Model} model
 * @param {boolean} half
 */
function memoryPerPixel(model, half) {
  const side = 256;
  const { kernels } = new Lowering(model, side, side, half).run();
  const last = lastUses(kernels);
  /** @type {Set<VirtualBuffer>} */
  const alive = new Set();
  let [largest, total] = [0, 0];
  kernels.forEach(({ bindings }, i) => {
    for (const { buffer, write } of bindings) {
      if (!write || buffer.key) continue;
      alive.add(buffer);
      largest = Math.max(largest, buffer.bytes);
    }
    total = Math.max(total, [...alive].reduce((sum, { bytes }) => sum + bytes, 0));
    for (const buffer of alive) if (last.get(buffer) === i) alive.delete(buffer);
  });
  return { largest: largest / side ** 2, total: total / side ** 2 };
}
