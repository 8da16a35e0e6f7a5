// @ts-check
/** What a graph computes of shapes and constants, done here and now on the processor. */

import { TYPES } from '../onnx.js';

/** @typedef {{type: number, dims: number[], data: ArrayLike<number>}} Constant */
/** @typedef {import('../onnx.js').Node} Node */

/** An operator, or a use of one, that this engine does not know. WASM does. */
export class UnknownOperator extends Error {
  /** @param {string} what */
  constructor(what) {
    super(`the graphics engine does not know ${what}`);
  }
}

/** @type {Set<number>} */
const INTEGERS = new Set([TYPES.int64, TYPES.int32, TYPES.uint8, TYPES.int8, TYPES.bool]);

/** @type {Record<string, (a: number, b: number) => number>} */
const BINARY = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Mod: (a, b) => ((a % b) + b) % b,
  Min: Math.min,
  Max: Math.max,
  Pow: (a, b) => a ** b,
  Equal: (a, b) => Number(a === b),
  Less: (a, b) => Number(a < b),
  Greater: (a, b) => Number(a > b),
};

/** @type {Record<string, (a: number) => number>} */
const UNARY = {
  Neg: (a) => -a,
  Abs: Math.abs,
  Sqrt: Math.sqrt,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Not: (a) => Number(!a),
  Reciprocal: (a) => 1 / a,
};

/**
 * @param {number[]} dims
 */
export function count(dims) {
  return dims.reduce((product, side) => product * side, 1);
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
export function broadcastDims(a, b) {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [left, right] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    return left === 1 ? right : left;
  });
}

/**
 * The dimensions that a Reshape asks for.
 * @param {number[]} dims
 * @param {ArrayLike<number>} wanted
 * @param {boolean} allowZero
 */
export function reshapedDims(dims, wanted, allowZero) {
  const result = Array.from(wanted, (side, i) => (side === 0 && !allowZero ? dims[i] : side));
  const rest = result.indexOf(-1);
  if (rest >= 0) result[rest] = count(dims) / -count(result);
  return result;
}

/**
 * Begin, end and step of a Slice along one axis, within the side.
 * @param {number} side
 * @param {number} start
 * @param {number} end
 * @param {number} step
 */
export function sliceBounds(side, start, end, step) {
  const inside = (/** @type {number} */ at, /** @type {number} */ low, /** @type {number} */ high) =>
    Math.min(high, Math.max(low, at < 0 ? at + side : at));
  if (step < 0) throw new UnknownOperator('slices that run backwards');
  const from = inside(start, 0, side);
  return { start: from, end: Math.max(from, inside(end, 0, side)), step };
}

/**
 * Evaluates a node of constants.
 * @param {Node} node
 * @param {(Constant | null)[]} inputs null where an optional one is left out
 * @returns {Constant}
 */
export function evaluate(node, inputs) {
  const [a, b, c] = /** @type {Constant[]} */ (inputs);
  const { op, attributes } = node;
  if (op in BINARY) return elementwise(op, /** @type {Constant[]} */ (inputs));
  if (op in UNARY) return { ...a, data: Array.from(a.data, UNARY[op]) };
  switch (op) {
    case 'Constant':
      return constant(attributes);
    case 'Identity':
      return a;
    case 'Cast':
      return cast(a, attributes.to);
    case 'Where':
      return { type: b.type, dims: a.dims, data: Array.from(a.data, (yes, i) => at(yes ? b : c, i)) };
    case 'Concat':
      if (a.dims.length !== 1) break;
      return vector(inputs.flatMap((one) => Array.from(one?.data ?? [])), a.type);
    case 'Gather':
      if (a.dims.length !== 1) break;
      return { type: a.type, dims: b.dims, data: Array.from(b.data, (i) => a.data[i < 0 ? i + a.data.length : i]) };
    case 'Slice': {
      if (a.dims.length !== 1) break;
      const { start, end, step } = sliceBounds(a.data.length, b.data[0], c.data[0], inputs[4]?.data[0] ?? 1);
      return vector(Array.from(a.data).slice(start, end).filter((_, i) => i % step === 0), a.type);
    }
    case 'Reshape':
      return { ...a, dims: reshapedDims(a.dims, b.data, attributes.allowzero === 1) };
    case 'Squeeze':
    case 'Unsqueeze':
      return { ...a, dims: a.data.length === 1 && op === 'Squeeze' ? [] : [a.data.length] };
    case 'ConstantOfShape': {
      const value = attributes.value ?? { type: TYPES.float, data: [0] };
      const dims = Array.from(a.data);
      return { type: value.type, dims, data: new Array(count(dims)).fill(value.data[0]) };
    }
    case 'Range': {
      const [from, to, step] = [a.data[0], b.data[0], c.data[0]];
      return vector(Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step), a.type);
    }
    case 'ReduceProd':
      return { type: a.type, dims: [], data: [Array.from(a.data).reduce((product, value) => product * value, 1)] };
    default:
  }
  throw new UnknownOperator(`${op} of constants`);
}

/** @param {Record<string, any>} attributes */
function constant(attributes) {
  if (attributes.value) return attributes.value;
  if (attributes.value_int !== undefined) return { type: TYPES.int64, dims: [], data: [attributes.value_int] };
  if (attributes.value_float !== undefined) return { type: TYPES.float, dims: [], data: [attributes.value_float] };
  if (attributes.value_ints) return vector(attributes.value_ints, TYPES.int64);
  if (attributes.value_floats) return vector(attributes.value_floats, TYPES.float);
  throw new UnknownOperator('a constant of this kind');
}

/**
 * @param {Constant} a
 * @param {number} type
 */
function cast(a, type) {
  const [from, to] = [INTEGERS.has(a.type), INTEGERS.has(type)];
  return { type, dims: a.dims, data: !from && to ? Array.from(a.data, Math.trunc) : a.data };
}

/**
 * @param {string} op
 * @param {Constant[]} inputs
 */
function elementwise(op, inputs) {
  return inputs.reduce((a, b) => {
    const dims = broadcastDims(a.dims, b.dims);
    const size = count(dims);
    if ([a, b].some(({ data }) => data.length !== 1 && data.length !== size)) throw new UnknownOperator(`${op} of constants`);
    const whole = op === 'Div' && INTEGERS.has(a.type);
    const data = Array.from({ length: size }, (_, i) => {
      const value = BINARY[op](at(a, i), at(b, i));
      return whole ? Math.trunc(value) : value;
    });
    return { type: a.type, dims, data };
  });
}

/**
 * @param {Constant} constant
 * @param {number} i
 */
function at({ data }, i) {
  return data.length === 1 ? data[0] : data[i];
}

/**
 * @param {number[]} data
 * @param {number} type
 * @returns {Constant}
 */
function vector(data, type) {
  return { type, dims: [data.length], data };
}
