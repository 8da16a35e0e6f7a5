// @ts-check
/** Operators that look at neighbours, or move pixels: convolutions, pooling, padding, slices and other sizes. */

import { sliceBounds, UnknownOperator } from './constants.js';
import * as make from './expressions.js';
import { packConvolution } from './weights.js';

/** @typedef {import('./lowering.js').Value} Value */
/** @typedef {import('./operators.js').Operator} Operator */

/** @type {Operator} */
export function convolution(lowering, node) {
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
export function pad(lowering, node) {
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
export function slice(lowering, node) {
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
export function resize(lowering, node) {
  const a = lowering.readable(node.inputs[0], 1);
  const { mode = 'nearest', coordinate_transformation_mode: coordinates = 'half_pixel', nearest_mode: rounding = 'round_prefer_floor', antialias = 0, axes = null } = node.attributes;
  const scales = lowering.constant(node.inputs[2])?.data;
  const sizes = lowering.constant(node.inputs[3])?.data;
  const place = coordinates === 'pytorch_half_pixel' ? 'half_pixel' : coordinates;
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
export function pool(lowering, node) {
  const { kernel_shape: kernel, strides = [1, 1], pads = [0, 0, 0, 0], ceil_mode: ceil = 0, count_include_pad: included = 0, dilations = [1, 1], auto_pad: auto = 'NOTSET' } = node.attributes;
  const isAverage = node.op === 'AveragePool';
  const isPadded = pads.some(Boolean);
  const unsupported = kernel.length !== 2 || ceil || dilations.some((/** @type {number} */ d) => d > 1) || auto !== 'NOTSET' || node.outputs.length > 1;
  if (unsupported) throw new UnknownOperator(`${node.op} of this kind`);
  const a = lowering.readable(node.inputs[0], 1);
  const [top, left, bottom, right] = pads;
  const input = isPadded ? make.padded(a.expression, { top, left, bottom, right, mode: 'constant', value: isAverage ? 0 : -Infinity }) : a.expression;
  const [height, width] = [input.height, input.width].map((side, i) => Math.floor((side - kernel[i]) / strides[i]) + 1);
  const inside = isAverage && isPadded && !included ? { top, left, height: a.expression.height, width: a.expression.width } : null;
  const expression = make.pooled(input, { height, width, kernel, strides, average: isAverage, inside });
  lowering.define(node.outputs[0], withSides(a, { H: height, W: width }), a.roles, expression);
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
export function withSides(value, sides) {
  return value.roles.map((role, i) => sides[role] ?? value.dims[i]);
}
