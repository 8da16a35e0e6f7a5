// @ts-check
/** The operators of ONNX that this engine knows (onnx.ai/onnx/operators), each by what it becomes. */

import { broadcastDims, reshapedDims, sliceBounds, UnknownOperator } from './constants.js';
import * as make from './expressions.js';
import { packConvolution } from './weights.js';
import { reshape, transpose } from './views.js';

/** @typedef {import('./lowering.js').Lowering} Lowering */
/** @typedef {import('./lowering.js').Value} Value */
/** @typedef {import('./expressions.js').Expression} Expression */
/** @typedef {import('../onnx.js').Node} Node */
/** @typedef {(lowering: Lowering, node: Node) => void} Operator */

const HEAVY = 1; // what a transcendental function costs, in reads from memory

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
    unary((v) => `select(${v}, ${v} * ${make.literal(node.attributes.alpha ?? 0.01)}, ${v} < vec4<f32>(0.0))`)(lowering, node),
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
    unary((v) => `clamp(${v} * ${make.literal(alpha)} + ${make.literal(beta)}, vec4<f32>(0.0), vec4<f32>(1.0))`)(lowering, node);
  },
  Add: binary((a, b) => `${a} + ${b}`),
  Sub: binary((a, b) => `${a} - ${b}`),
  Mul: binary((a, b) => `${a} * ${b}`),
  Div: binary((a, b) => `${a} / ${b}`),
  Min: binary((a, b) => `min(${a}, ${b})`),
  Max: binary((a, b) => `max(${a}, ${b})`),
  Pow: power,
};

/**
 * @param {(v: string) => string} formula
 * @param {number} [extra]
 * @returns {Operator}
 */
function unary(formula, extra = 0) {
  return (lowering, node) => {
    const a = lowering.value(node.inputs[0]);
    lowering.define(node.outputs[0], a.dims, a.roles, make.unary(a.expression, formula, extra), a.pending);
  };
}

/**
 * @param {(a: string, b: string) => string} formula
 * @returns {Operator}
 */
function binary(formula) {
  return (lowering, node) => {
    const [left, right] = node.inputs;
    const constantAt = node.inputs.findIndex((name) => lowering.constants.has(name));
    if (constantAt >= 0) {
      const a = lowering.value(constantAt ? left : right);
      const small = lowering.smallConstant(node.inputs[constantAt], a);
      const other = small.buffer ? make.stored(small.buffer, 1, 1, small.channels) : make.scalar(small.data[0]);
      const [p, q] = constantAt ? [a.expression, other] : [other, a.expression];
      lowering.define(node.outputs[0], a.dims, a.roles, free(make.binary(p, q, formula), a.expression.cost), a.pending);
      return;
    }
    let [a, b] = [lowering.value(left), lowering.value(right)];
    if (a.pending && b.pending) lowering.materialize(b);
    const dims = broadcastDims(a.dims, b.dims);
    const roles = a.dims.length >= b.dims.length ? a.roles : b.roles;
    for (const one of [a, b]) {
      const aligned = roles.slice(roles.length - one.roles.length);
      if (one.roles.some((role, i) => role !== aligned[i] && one.dims[i] > 1)) throw new UnknownOperator(`${node.op} of these shapes`);
      // What is spread is not what the convolution computes.
      if (one.pending && one.dims.some((side, i) => side !== dims[dims.length - one.dims.length + i])) lowering.materialize(one);
    }
    const joined = make.binary(a.expression, b.expression, formula);
    const extra = node.op === 'Div' ? HEAVY : 0; // lanes without a channel must not become what is no number
    lowering.define(node.outputs[0], dims, roles, { ...joined, cost: joined.cost + extra }, a.pending ?? b.pending);
  };
}

/** @type {Operator} */
function power(lowering, node) {
  const exponent = lowering.constant(node.inputs[1])?.data[0] ?? 1;
  const formulas = new Map([[2, (/** @type {string} */ v) => `${v} * ${v}`], [1, (/** @type {string} */ v) => v], [0.5, (/** @type {string} */ v) => `sqrt(${v})`]]);
  const formula = formulas.get(exponent) ?? ((/** @type {string} */ v) => `pow(max(${v}, vec4<f32>(0.0)), vec4<f32>(${make.literal(exponent)}))`);
  unary(formula, formulas.has(exponent) ? 0 : HEAVY)(lowering, node);
}

/** @type {Operator} */
function clip(lowering, node) {
  const bound = (/** @type {number} */ at, /** @type {number} */ otherwise) => lowering.constant(node.inputs[at])?.data[0] ?? otherwise;
  const [low, high] = [bound(1, -Infinity), bound(2, Infinity)].map(make.literal);
  unary((v) => `clamp(${v}, vec4<f32>(${low}), vec4<f32>(${high}))`)(lowering, node);
}

/** @type {Operator} */
function convolution(lowering, node) {
  const { group = 1, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], auto_pad: auto = 'NOTSET' } = node.attributes;
  const weights = lowering.constant(node.inputs[1]);
  if (!weights || weights.dims.length !== 4) throw new UnknownOperator('a convolution of this shape');
  const [outputs, inputs, kernelY, kernelX] = weights.dims;
  const depthwise = group > 1 && inputs === 1 && outputs === group;
  if (auto !== 'NOTSET' || (group > 1 && !depthwise)) throw new UnknownOperator('a convolution of this kind');
  const a = lowering.readable(node.inputs[0], 1);
  if (a.roles.join('') !== 'NCHW') throw new UnknownOperator('a convolution of this layout');
  const [top, left, bottom, right] = pads;
  const input = pads.some(Boolean) ? make.padded(a.expression, { top, left, bottom, right, mode: 'constant', value: 0 }) : a.expression;
  const side = (/** @type {number} */ of, /** @type {number} */ kernel, /** @type {number} */ i) =>
    Math.floor((of - dilations[i] * (kernel - 1) - 1) / strides[i]) + 1;
  const packed = packConvolution(lowering, node.inputs[1], weights, depthwise);
  const bias = node.inputs[2] ? lowering.perChannel(node.inputs[2], /** @type {any} */ (lowering.constant(node.inputs[2]))) : null;
  const conv = {
    input, weights: packed, bias, outputs, kernelY, kernelX, strides, dilations, depthwise, half: lowering.half,
    height: side(input.height, kernelY, 0), width: side(input.width, kernelX, 1),
  };
  const dims = [a.dims[0], outputs, conv.height, conv.width];
  lowering.define(node.outputs[0], dims, a.roles, lowering.justComputed(conv), conv);
}

/** @type {Operator} */
function instanceNorm(lowering, node) {
  const a = lowering.readable(node.inputs[0], 1);
  const [scale, shift] = node.inputs.slice(1).map((name) => lowering.perChannel(name, /** @type {any} */ (lowering.constant(name))));
  const scales = lowering.average(a.expression, { epsilon: node.attributes.epsilon ?? 1e-5, scale, shift });
  lowering.define(node.outputs[0], a.dims, a.roles, make.normalized(a.expression, scales));
}

/**
 * Numbers by role, of a list in the order of some axes.
 * @param {Value} value
 * @param {ArrayLike<number>} numbers
 * @param {ArrayLike<number> | null} axes
 * @returns {Record<string, number>}
 */
function byRole(value, numbers, axes) {
  const places = axes ? Array.from(axes, (axis) => (axis < 0 ? axis + value.dims.length : axis)) : value.dims.map((_, i) => i);
  return Object.fromEntries(places.map((place, i) => [value.roles[place], numbers[i]]));
}

/**
 * The dimensions with these roles replaced.
 * @param {Value} value
 * @param {Record<string, number>} sides
 */
function withSides(value, sides) {
  return value.roles.map((role, i) => sides[role] ?? value.dims[i]);
}

/** @type {Operator} */
function pad(lowering, node) {
  const a = lowering.readable(node.inputs[0]);
  const pads = lowering.constant(node.inputs[1])?.data ?? [];
  const axes = lowering.constant(node.inputs[3])?.data ?? null;
  const half = pads.length / 2;
  const before = byRole(a, Array.from(pads).slice(0, half), axes);
  const after = byRole(a, Array.from(pads).slice(half), axes);
  if (before.C || after.C || before.N || after.N) throw new UnknownOperator('channels that are padded');
  const { H: top = 0, W: left = 0 } = before;
  const { H: bottom = 0, W: right = 0 } = after;
  const { mode = 'constant' } = node.attributes;
  const value = lowering.constant(node.inputs[2])?.data[0] ?? 0;
  const nothing = !(top || left || bottom || right);
  // Pads that depend on the size keep their place in the shader even where they are 0, so that all sizes share it.
  const expression = nothing && mode === 'constant' ? a.expression : make.padded(a.expression, { top, bottom, left, right, mode, value });
  lowering.define(node.outputs[0], withSides(a, { H: expression.height, W: expression.width }), a.roles, expression);
}

/** @type {Operator} */
function slice(lowering, node) {
  let a = lowering.value(node.inputs[0]);
  const [starts, ends, axes, steps] = node.inputs.slice(1).map((name) => lowering.constant(name)?.data ?? null);
  if (!starts || !ends) throw new UnknownOperator('a slice of this kind');
  const places = axes ?? Array.from(starts, (_, i) => i);
  /** @type {Record<string, {start: number, end: number, step: number}>} */
  const cuts = {};
  for (let i = 0; i < starts.length; i++) {
    const axis = places[i] < 0 ? places[i] + a.dims.length : places[i];
    const bounds = sliceBounds(a.dims[axis], starts[i], ends[i], steps?.[i] ?? 1);
    if (bounds.start > 0 || bounds.end < a.dims[axis] || bounds.step > 1) cuts[a.roles[axis]] = bounds;
  }
  const whole = (/** @type {string} */ role) => cuts[role] ?? { start: 0, end: a.dims[a.roles.indexOf(role)] ?? 1, step: 1 };
  const [y, x, c] = ['H', 'W', 'C'].map(whole);
  const size = (/** @type {typeof y} */ cut) => Math.ceil((cut.end - cut.start) / cut.step);
  // Cutting off what lies right and below leaves every pixel in its place: a convolution need not compute it at all.
  const inPlace = !y.start && !x.start && y.step === 1 && x.step === 1 && !cuts.C && !cuts.N;
  if (!inPlace) a = lowering.readable(node.inputs[0]);
  let { expression } = a;
  if (cuts.N) throw new UnknownOperator('slices of several pictures');
  if (cuts.C) {
    if (c.step > 1) throw new UnknownOperator('channels with a step');
    expression = make.channelsOf([{ from: expression, start: c.start, count: size(c) }]);
  }
  if (inPlace) expression = { ...expression, height: size(y), width: size(x) };
  else if (cuts.H || cuts.W) {
    expression = make.cropped(expression, { top: y.start, left: x.start, height: size(y), width: size(x), stepY: y.step, stepX: x.step });
  }
  lowering.define(node.outputs[0], withSides(a, { H: size(y), W: size(x), C: size(c) }), a.roles, expression, inPlace ? a.pending : null);
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
function resize(lowering, node) {
  const a = lowering.readable(node.inputs[0], 1);
  const { mode = 'nearest', coordinate_transformation_mode: given = 'half_pixel', nearest_mode: rounding = 'round_prefer_floor', antialias = 0, axes = null } = node.attributes;
  const scales = lowering.constant(node.inputs[2])?.data;
  const sizes = lowering.constant(node.inputs[3])?.data;
  const place = given === 'pytorch_half_pixel' ? 'half_pixel' : given;
  const known = ['half_pixel', 'asymmetric'].includes(place) && ['nearest', 'linear'].includes(mode);
  if (!known || antialias || (node.attributes.keep_aspect_ratio_policy ?? 'stretch') !== 'stretch') throw new UnknownOperator('this way of resizing');
  const asked = byRole(a, scales?.length ? scales : sizes ?? [], axes);
  if ((scales?.length ? asked.C ?? 1 : (asked.C ?? a.expression.channels) / a.expression.channels) !== 1) throw new UnknownOperator('channels that are resized');
  const side = (/** @type {string} */ role, /** @type {number} */ from) => {
    if (scales?.length) return { to: Math.floor(from * (asked[role] ?? 1)), inverse: 1 / (asked[role] ?? 1) };
    return { to: asked[role] ?? from, inverse: from / (asked[role] ?? from) };
  };
  const [y, x] = [side('H', a.expression.height), side('W', a.expression.width)];
  const expression = make.resized(a.expression, { height: y.to, width: x.to, inverseY: y.inverse, inverseX: x.inverse, mode, place, rounding });
  lowering.define(node.outputs[0], withSides(a, { H: y.to, W: x.to }), a.roles, expression);
}

/** @type {Operator} */
function pool(lowering, node) {
  const { kernel_shape: kernel, strides = [1, 1], pads = [0, 0, 0, 0], ceil_mode: ceil = 0, count_include_pad: included = 0, dilations = [1, 1], auto_pad: auto = 'NOTSET' } = node.attributes;
  const isAverage = node.op === 'AveragePool';
  const isPadded = pads.some(Boolean);
  const odd = kernel.length !== 2 || ceil || dilations.some((/** @type {number} */ d) => d > 1) || auto !== 'NOTSET' || node.outputs.length > 1;
  if (odd) throw new UnknownOperator(`${node.op} of this kind`);
  const a = lowering.readable(node.inputs[0], 1);
  const [top, left, bottom, right] = pads;
  const input = isPadded ? make.padded(a.expression, { top, left, bottom, right, mode: 'constant', value: isAverage ? 0 : -Infinity }) : a.expression;
  const [height, width] = [input.height, input.width].map((side, i) => Math.floor((side - kernel[i]) / strides[i]) + 1);
  const inside = isAverage && isPadded && !included ? { top, left, height: a.expression.height, width: a.expression.width } : null;
  const expression = make.pooled(input, { height, width, kernel, strides, average: isAverage, inside });
  lowering.define(node.outputs[0], withSides(a, { H: height, W: width }), a.roles, expression);
}

/** @type {Operator} */
function reduce(lowering, node) {
  const given = lowering.constant(node.inputs[1])?.data ?? node.attributes.axes;
  const { dims, roles } = /** @type {Value} */ (lowering.values.get(node.inputs[0]));
  const axes = given?.length ? Array.from(given, (/** @type {number} */ axis) => roles[axis < 0 ? axis + dims.length : axis]) : roles;
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
    if (sum) expression = make.unary(expression, (v) => `${v} * ${make.literal(pixels)}`);
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

/**
 * The same with another cost: reading a few constants costs next to nothing.
 * @param {Expression} expression
 * @param {number} cost
 * @returns {Expression}
 */
function free(expression, cost) {
  return { ...expression, cost };
}
