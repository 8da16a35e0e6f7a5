// @ts-check
/** Operators that compute every number by itself: formulas of one value, or of two. */

import { broadcastDims, UnknownOperator } from './constants.js';
import * as make from './expressions.js';
import { literal } from './shader_code.js';

/** @typedef {import('./shader_code.js').Expression} Expression */
/** @typedef {import('./operators.js').Operator} Operator */

export const HEAVY = 1; // what a transcendental function costs, in reads from memory

/**
 * @param {(v: string) => string} formula
 * @param {number} [extra]
 * @returns {Operator}
 */
export function unary(formula, extra = 0) {
  return (lowering, node) => {
    const a = lowering.value(node.inputs[0]);
    lowering.define(node.outputs[0], a.dims, a.roles, make.unary(a.expression, formula, extra), a.pending);
  };
}

/**
 * @param {(a: string, b: string) => string} formula
 * @returns {Operator}
 */
export function binary(formula) {
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
export function power(lowering, node) {
  const exponent = lowering.constant(node.inputs[1])?.data[0] ?? 1;
  const formulas = new Map([[2, (/** @type {string} */ v) => `${v} * ${v}`], [1, (/** @type {string} */ v) => v], [0.5, (/** @type {string} */ v) => `sqrt(${v})`]]);
  const formula = formulas.get(exponent) ?? ((/** @type {string} */ v) => `pow(max(${v}, vec4<f32>(0.0)), vec4<f32>(${literal(exponent)}))`);
  unary(formula, formulas.has(exponent) ? 0 : HEAVY)(lowering, node);
}

/** @type {Operator} */
export function clip(lowering, node) {
  const bound = (/** @type {number} */ at, /** @type {number} */ otherwise) => lowering.constant(node.inputs[at])?.data[0] ?? otherwise;
  const [low, high] = [bound(1, -Infinity), bound(2, Infinity)].map(literal);
  unary((v) => `clamp(${v}, vec4<f32>(${low}), vec4<f32>(${high}))`)(lowering, node);
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
