// @ts-check
/** The operators of ONNX that this engine knows (onnx.ai/onnx/operators), each by what it becomes. */

import { broadcastDims, UnknownOperator } from './constants.js';
import { binary, clip, HEAVY, power, unary } from './elementwise_operators.js';
import * as make from './expressions.js';
import { literal } from './shader_code.js';
import { convolution, pad, pool, resize, slice, withSides } from './spatial_operators.js';
import { reshape, transpose } from './views.js';

/** @typedef {import('./lowering.js').Lowering} Lowering */
/** @typedef {import('./lowering.js').Value} Value */
/** @typedef {import('../onnx.js').Node} Node */
/** @typedef {(lowering: Lowering, node: Node) => void} Operator */

/** @type {Record<string, Operator>} */
export const operators = {
  Conv: convolution,
  InstanceNormalization: instanceNorm,
  Pad: pad,
  Resize: resize,
  Slice: slice,
  Concat: concat,
  Split: split,
  Clip: clip,
  ReduceMean: reduce,
  ReduceSum: reduce,
  GlobalAveragePool: (lowering, node) => mean(lowering, node, ['H', 'W'], true, false),
  AveragePool: pool,
  MaxPool: pool,
  Reshape: reshape,
  Transpose: transpose,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  DepthToSpace: reshape,
  SpaceToDepth: reshape,
  Expand: expand,
  Identity: unary((v) => v),
  Cast: (lowering, node) => unary((v) => (node.attributes.to === 1 || node.attributes.to === 10 ? v : `trunc(${v})`))(lowering, node),
  Relu: unary((v) => `max(${v}, vec4<f32>(0.0))`),
  LeakyRelu: (lowering, node) =>
    unary((v) => `select(${v}, ${v} * ${literal(node.attributes.alpha ?? 0.01)}, ${v} < vec4<f32>(0.0))`)(lowering, node),
  Tanh: unary((v) => `tanh(clamp(${v}, vec4<f32>(-15.0), vec4<f32>(15.0)))`, HEAVY),
  Sigmoid: unary((v) => `1.0 / (1.0 + exp(-${v}))`, HEAVY),
  Exp: unary((v) => `exp(${v})`, HEAVY),
  Log: unary((v) => `log(${v})`, HEAVY),
  Sqrt: unary((v) => `sqrt(${v})`),
  Reciprocal: unary((v) => `1.0 / ${v}`),
  Abs: unary((v) => `abs(${v})`),
  Neg: unary((v) => `-${v}`),
  Floor: unary((v) => `floor(${v})`),
  Ceil: unary((v) => `ceil(${v})`),
  Round: unary((v) => `round(${v})`),
  HardSigmoid: (lowering, node) => {
    const { alpha = 0.2, beta = 0.5 } = node.attributes;
    unary((v) => `clamp(${v} * ${literal(alpha)} + ${literal(beta)}, vec4<f32>(0.0), vec4<f32>(1.0))`)(lowering, node);
  },
  Add: binary((a, b) => `${a} + ${b}`),
  Sub: binary((a, b) => `${a} - ${b}`),
  Mul: binary((a, b) => `${a} * ${b}`),
  Div: binary((a, b) => `${a} / ${b}`),
  Min: binary((a, b) => `min(${a}, ${b})`),
  Max: binary((a, b) => `max(${a}, ${b})`),
  Pow: power,
};

/** @type {Operator} */
function instanceNorm(lowering, node) {
  const a = lowering.readable(node.inputs[0], 1);
  const [scale, shift] = node.inputs.slice(1).map((name) => lowering.perChannel(name, /** @type {any} */ (lowering.constant(name))));
  const scales = lowering.average(a.expression, { epsilon: node.attributes.epsilon ?? 1e-5, scale, shift });
  lowering.define(node.outputs[0], a.dims, a.roles, make.normalized(a.expression, scales));
}

/** @type {Operator} */
function concat(lowering, node) {
  const values = node.inputs.map((name) => lowering.readable(name));
  const [first] = values;
  const axis = node.attributes.axis < 0 ? node.attributes.axis + first.dims.length : node.attributes.axis;
  if (first.roles[axis] !== 'C') throw new UnknownOperator('pictures that are joined side by side');
  const parts = values.map(({ expression }) => ({ from: expression, start: 0, count: expression.channels }));
  const expression = make.channelsOf(parts);
  lowering.define(node.outputs[0], withSides(first, { C: expression.channels }), first.roles, expression);
}

/** @type {Operator} */
function split(lowering, node) {
  const a = lowering.readable(node.inputs[0]);
  const { axis = 0 } = node.attributes;
  if (a.roles[axis < 0 ? axis + a.dims.length : axis] !== 'C') throw new UnknownOperator('pictures that are split');
  const equal = Math.ceil(a.expression.channels / node.outputs.length);
  const sizes = lowering.constant(node.inputs[1])?.data ?? node.outputs.map((_, i) => Math.min(equal, a.expression.channels - i * equal));
  let start = 0;
  for (const [i, name] of node.outputs.entries()) {
    lowering.define(name, withSides(a, { C: sizes[i] }), a.roles, make.channelsOf([{ from: a.expression, start, count: sizes[i] }]));
    start += sizes[i];
  }
}

/** @type {Operator} */
function reduce(lowering, node) {
  const numbers = lowering.constant(node.inputs[1])?.data ?? node.attributes.axes;
  const { dims, roles } = /** @type {Value} */ (lowering.values.get(node.inputs[0]));
  const axes = numbers?.length ? Array.from(numbers, (/** @type {number} */ axis) => roles[axis < 0 ? axis + dims.length : axis]) : roles;
  mean(lowering, node, axes, (node.attributes.keepdims ?? 1) === 1, node.op === 'ReduceSum');
}

/**
 * @param {Lowering} lowering
 * @param {Node} node
 * @param {string[]} over roles
 * @param {boolean} keep the dimensions
 * @param {boolean} sum
 */
function mean(lowering, node, over, keep, sum) {
  const a = lowering.readable(node.inputs[0], over.includes('H') ? 2 : Infinity);
  let { expression } = a;
  if (over.includes('C')) expression = make.channelSum(expression, sum ? 1 : 1 / expression.channels);
  if (over.includes('H') !== over.includes('W')) throw new UnknownOperator('means of rows or columns');
  if (over.includes('H')) {
    const pixels = expression.height * expression.width;
    const means = lowering.average(expression, null);
    expression = make.stored(means, 1, 1, expression.channels);
    if (sum) expression = make.unary(expression, (v) => `${v} * ${literal(pixels)}`);
  }
  const dims = a.dims.map((side, i) => (over.includes(a.roles[i]) ? 1 : side));
  const kept = dims.map((_, i) => i).filter((i) => keep || !over.includes(a.roles[i]));
  lowering.define(node.outputs[0], kept.map((i) => dims[i]), kept.map((i) => a.roles[i]), expression);
}

/** @type {Operator} */
function expand(lowering, node) {
  const a = lowering.readable(node.inputs[0]);
  const dims = broadcastDims(a.dims, Array.from(lowering.constant(node.inputs[1])?.data ?? []));
  if (dims.length !== a.dims.length) throw new UnknownOperator('more dimensions by Expand');
  const side = (/** @type {string} */ role) => dims[a.roles.indexOf(role)] ?? 1;
  const whole = { height: side('H'), width: side('W'), channels: side('C') };
  lowering.define(node.outputs[0], dims, a.roles, make.expanded(a.expression, whole));
}
