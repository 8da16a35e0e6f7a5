// @ts-check
/** The passes around the networks: pictures at another size, the finishing of what networks painted, and the canvas. */

import { finishShader, LUMA_PARTS, lumaShader, resampleShader, showShader } from './pass_shaders.js';

/** @typedef {import('../finish.js').Finish} Finish */
/** @typedef {import('../finish.js').Matte} Matte */

const PORTRAITS = { off: 0, person: 1, background: 2 };
const GROUP_SIDE = 8; // pixels of a workgroup, a side

export class Passes {
  /** @param {import('./plan.js').DeviceMemory} memory */
  constructor(memory) {
    this.memory = memory;
    this.device = memory.device;
    /** @type {Map<string, GPUComputePipeline>} by their shader */
    this.pipelines = new Map();
    /** @type {GPURenderPipeline | null} */
    this.drawing = null;
  }

  /** Compiles the shaders. */
  async prepare() {
    const texts = [resampleShader('texture'), resampleShader('buffer'), lumaShader, finishShader];
    const made = await Promise.all(texts.map((text) => this.memory.pipeline(text)));
    this.pipelines = new Map(texts.map((text, i) => [text, made[i]]));
  }

  /**
   * Resamples, soon.
   * @param {'texture' | 'buffer'} kind
   * @param {GPUTextureView | GPUBuffer} from
   * @param {GPUBuffer} to
   * @param {number[]} sizes width and height of the result and of the source, and 1 to mirror
   */
  resample(kind, from, to, sizes) {
    const resource = kind === 'texture' ? /** @type {GPUTextureView} */ (from) : { buffer: /** @type {GPUBuffer} */ (from) };
    const uniform = this.#uniform(sizes);
    this.#dispatch(resampleShader(kind), [{ buffer: uniform }, resource, { buffer: to }], groupsOf(sizes[0], sizes[1]));
    uniform.destroy(); // once what was submitted has run
  }

  /**
   * What `finish.js` does, soon.
   * @param {{pictures: GPUBuffer[], parts: GPUBuffer, matte: GPUBuffer, finished: GPUBuffer}} buffers pictures: the photo,
   *   what the style painted, and what the one mixed in did; finished takes the result
   * @param {number} width
   * @param {number} height
   * @param {Finish} options
   * @param {Matte | null} matte
   */
  finish({ pictures, parts, matte: planes, finished }, width, height, options, matte) {
    const data = new ArrayBuffer(32);
    new Uint32Array(data).set([width, height, matte?.width ?? 0, matte?.height ?? 0]);
    new Float32Array(data).set([options.strength, options.mix], 4);
    new Uint32Array(data).set([Number(options.keep), matte ? PORTRAITS[options.portrait] : 0], 6);
    const uniform = this.#uniformOf(data);
    const shared = [uniform, ...pictures, parts].map((buffer) => ({ buffer }));
    if (options.keep) this.#dispatch(lumaShader, shared, [LUMA_PARTS, 1]);
    this.#dispatch(finishShader, [...shared, { buffer: planes }, { buffer: finished }], groupsOf(width, height));
    uniform.destroy();
  }

  /**
   * Shows a picture of the canvas's size.
   * @param {GPUBuffer} picture
   * @param {number} width
   * @param {number} height
   * @param {GPUCanvasContext} context
   * @param {GPUTextureFormat} format
   */
  draw(picture, width, height, context, format) {
    if (!this.drawing) {
      const module = this.device.createShaderModule({ code: showShader });
      this.drawing = this.device.createRenderPipeline({
        layout: 'auto',
        vertex: { module, entryPoint: 'corner' },
        fragment: { module, entryPoint: 'colour', targets: [{ format }] },
      });
    }
    const uniform = this.#uniform([width, height]);
    const entries = [uniform, picture].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view: context.getCurrentTexture().createView(), loadOp: 'clear', storeOp: 'store' }],
    });
    pass.setPipeline(this.drawing);
    pass.setBindGroup(0, this.device.createBindGroup({ layout: this.drawing.getBindGroupLayout(0), entries }));
    pass.draw(3);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
    uniform.destroy();
  }

  /** @param {number[]} integers */
  #uniform(integers) {
    const data = new ArrayBuffer(32);
    new Uint32Array(data).set(integers);
    return this.#uniformOf(data);
  }

  /** @param {ArrayBuffer} data */
  #uniformOf(data) {
    const buffer = this.device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /**
   * @param {string} shader
   * @param {GPUBindingResource[]} resources
   * @param {[number, number]} groups
   */
  #dispatch(shader, resources, groups) {
    const pipeline = this.pipelines.get(shader);
    if (!pipeline) throw new Error('the engine is not ready');
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    pass.setBindGroup(0, this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(...groups);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }
}

/**
 * Workgroups for a picture.
 * @param {number} width
 * @param {number} height
 * @returns {[number, number]}
 */
function groupsOf(width, height) {
  return [Math.ceil(width / GROUP_SIDE), Math.ceil(height / GROUP_SIDE)];
}
