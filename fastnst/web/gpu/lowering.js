// @ts-check
/**
 * From a model's graph to kernels, for one size of the picture.
 *
 * Shapes are computed here. Whatever can be computed while it is read stays an expression; a convolution waits for what
 * follows it (a bias, a residual, a tanh) and does that before it stores its result.
 */

import { broadcastDims, count, evaluate, UnknownOperator } from './constants.js';
import { average, convolve, partCount, store } from './kernels.js';
import { bytes, justComputed, stored } from './expressions.js';
import { operators } from './operators.js';
import { vectors } from './shader_code.js';

/** @typedef {import('./constants.js').Constant} Constant */
/** @typedef {import('./shader_code.js').Expression} Expression */
/** @typedef {import('./kernels.js').Kernel} Kernel */
/** @typedef {import('./kernels.js').VirtualBuffer} VirtualBuffer */
/** @typedef {import('../onnx.js').Model} Model */
/** @typedef {import('../onnx.js').Node} Node */

/**
 * A value that is computed on the card.
 * @typedef {object} Value
 * @property {number[]} dims in the graph's order
 * @property {string[]} roles what each of them is: N, C, H or W
 * @property {Expression} expression
 * @property {number} uses how many nodes read it
 * @property {import('./kernels.js').Convolution | null} pending a convolution that waits for what follows
 * @property {{base: Value, steps: {dims: number[], order: number[] | null}[]} | null} view reshaped or transposed beyond
 *   four dimensions; `expression` is not valid then
 */

/**
 * @typedef {object} Program
 * @property {Kernel[]} kernels in order
 * @property {VirtualBuffer} input
 * @property {VirtualBuffer} output
 */

export class Lowering {
  /**
   * @param {Model} model
   * @param {number} height
   * @param {number} width
   * @param {boolean} half whether weights may be kept in half precision
   */
  constructor(model, height, width, half) {
    this.model = model;
    this.half = half;
    /** @type {Kernel[]} */
    this.kernels = [];
    /** @type {Map<string, Value>} */
    this.values = new Map();
    /** @type {Map<string, Constant>} */
    this.constants = new Map(model.constants);
    /** @type {Map<string, VirtualBuffer>} */
    this.weights = new Map();
    /** @type {Map<string, number>} */
    this.uses = new Map();
    for (const name of model.nodes.flatMap(({ inputs }) => inputs)) this.uses.set(name, (this.uses.get(name) ?? 0) + 1);
    /** @type {VirtualBuffer} */
    this.input = { bytes: 4 * width * height, role: 'input' };
    this.define(model.inputs[0].name, [1, height, width, 3], ['N', 'H', 'W', 'C'], bytes(this.input, height, width));
  }

  /** @returns {Program} */
  run() {
    for (const node of this.model.nodes) this.#lower(node);
    const result = this.values.get(this.model.outputs[0].name);
    if (!result || result.roles.join('') !== 'NHWC' || result.dims[3] !== 3) throw new UnknownOperator('an output of this shape');
    /** @type {VirtualBuffer} */
    const output = { bytes: 4 * result.dims[1] * result.dims[2], role: 'output' };
    this.#emit(result, output);
    return { kernels: this.kernels, input: this.input, output };
  }

  /** @param {Node} node */
  #lower(node) {
    const inputs = node.inputs.map((name) => (name ? this.constants.get(name) ?? null : null));
    const shape = node.op === 'Shape' ? this.values.get(node.inputs[0])?.dims ?? inputs[0]?.dims : undefined;
    if (shape) {
      const { start = 0, end = shape.length } = node.attributes;
      const data = shape.slice(start, end === 0 ? undefined : end);
      this.constants.set(node.outputs[0], { type: 7, dims: [data.length], data });
    } else if (node.inputs.every((name, i) => !name || inputs[i])) {
      this.constants.set(node.outputs[0], evaluate(node, inputs));
    } else {
      const lower = operators[node.op];
      if (!lower) throw new UnknownOperator(`the operator ${node.op}`);
      lower(this, node);
    }
  }

  /**
   * @param {string} name
   * @param {number[]} dims
   * @param {string[]} roles
   * @param {Expression} expression
   * @param {Value['pending']} [pending]
   */
  define(name, dims, roles, expression, pending = null) {
    const uses = (this.uses.get(name) ?? 0) + Number(this.model.outputs[0].name === name);
    this.values.set(name, { dims, roles, expression, uses, pending, view: null });
  }

  /** A constant by its name; null where it is left out. @param {string | undefined} name */
  constant(name) {
    if (!name) return null;
    const found = this.constants.get(name);
    if (!found) throw new UnknownOperator('parameters that depend on the picture');
    return found;
  }

  /** The value of this name, with an expression. @param {string} name @returns {Value} */
  value(name) {
    const value = this.values.get(name);
    if (!value) throw new UnknownOperator('a constant in this place');
    if (value.view) throw new UnknownOperator(`shapes of ${value.dims.length} dimensions in this place`);
    if (value.pending && value.uses > 1) this.materialize(value);
    // What many read is stored once it costs more to compute than to read.
    if (value.uses > 1 && value.expression.cost > 2) this.materialize(value);
    return value;
  }

  /** The value of this name, to be read anywhere. @param {string} name @param {number} [cost] at most */
  readable(name, cost = Infinity) {
    const value = this.value(name);
    if (value.pending || value.expression.cost > cost) this.materialize(value);
    return value;
  }

  /** Stores a value. @param {Value} value */
  materialize(value) {
    const { height, width, channels } = value.expression;
    const target = { bytes: 16 * height * width * vectors(channels) };
    this.#emit(value, target);
    value.expression = stored(target, height, width, channels);
    value.pending = null;
  }

  /**
   * @param {Value} value
   * @param {VirtualBuffer} target
   */
  #emit(value, target) {
    this.kernels.push(value.pending ? convolve(value.pending, value.expression, target) : store(value.expression, target));
  }

  /**
   * The mean of each channel, or what instance normalization scales and shifts by.
   * @param {Expression} expression
   * @param {Parameters<typeof average>[3]} norm
   */
  average(expression, norm) {
    const all = vectors(expression.channels);
    const parts = { bytes: 32 * all * partCount(expression.width * expression.height) };
    const target = { bytes: (norm ? 32 : 16) * all };
    this.kernels.push(...average(expression, parts, target, norm));
    return target;
  }

  /**
   * A constant's memory.
   * @param {string} key
   * @param {() => ArrayBufferView} data
   * @param {number} size
   */
  upload(key, data, size) {
    let buffer = this.weights.get(key);
    if (!buffer) {
      buffer = { bytes: size, key, data };
      this.weights.set(key, buffer);
    }
    return buffer;
  }

  /**
   * One number a channel, padded to vectors.
   * @param {string} name
   * @param {Constant} constant
   */
  perChannel(name, constant) {
    const all = vectors(constant.data.length);
    const data = () => {
      const padded = new Float32Array(4 * all);
      padded.set(constant.data);
      return padded;
    };
    return this.upload(`channels ${name}`, data, 16 * all);
  }

  /**
   * A small constant beside a value: one number, or one a channel.
   * @param {string} name
   * @param {Value} beside
   * @returns {{height: number, width: number, channels: number, data: ArrayLike<number>, buffer: VirtualBuffer | null}}
   */
  smallConstant(name, beside) {
    const constant = /** @type {Constant} */ (this.constants.get(name));
    const size = count(constant.dims);
    if (size === 1) return { height: 1, width: 1, channels: 1, data: constant.data, buffer: null };
    const dims = broadcastDims(constant.dims, beside.dims.map(() => 1));
    const role = beside.roles[dims.findIndex((side) => side > 1)];
    if (dims.filter((side) => side > 1).length !== 1 || role !== 'C') throw new UnknownOperator('a constant of this shape');
    return { height: 1, width: 1, channels: size, data: constant.data, buffer: this.perChannel(name, constant) };
  }

  /** The result of a convolution, before what follows. @param {import('./kernels.js').Convolution} conv */
  justComputed(conv) {
    return justComputed(conv.height, conv.width, conv.outputs);
  }
}
