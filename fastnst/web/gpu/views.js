// @ts-check
/**
 * Reshapes and transposes. Those that only rename dimensions cost nothing; the others (pixel shuffles and their like) are
 * remembered step by step, until four dimensions come out of them and one function finds each number's place.
 */

import { count, reshapedDims, UnknownOperator } from './constants.js';
import { rearranged } from './expressions.js';

/** @typedef {import('./lowering.js').Lowering} Lowering */
/** @typedef {import('./lowering.js').Value} Value */
/** @typedef {import('../onnx.js').Node} Node */
/** @typedef {{dims: number[], order: number[] | null}} Step the result's dimensions; the order if it is a transpose */

const ROLES = ['N', 'C', 'H', 'W'];

/** @param {Lowering} lowering @param {Node} node */
export function transpose(lowering, node) {
  const a = viewable(lowering, node.inputs[0]);
  const order = node.attributes.perm ?? a.dims.map((_, i) => a.dims.length - 1 - i);
  const dims = order.map((/** @type {number} */ from) => a.dims[from]);
  if (a.view) {
    follow(lowering, node.outputs[0], a, { dims, order });
    return;
  }
  const roles = order.map((/** @type {number} */ from) => a.roles[from]);
  lowering.define(node.outputs[0], dims, roles, a.expression, a.pending);
}

/** Reshape, Flatten, Squeeze, Unsqueeze, DepthToSpace and SpaceToDepth. @param {Lowering} lowering @param {Node} node */
export function reshape(lowering, node) {
  const a = viewable(lowering, node.inputs[0]);
  const name = node.outputs[0];
  if (node.op === 'DepthToSpace' || node.op === 'SpaceToDepth') {
    const middle = { ...a, view: { base: a, steps: shuffle(node, a.dims) } };
    middle.dims = middle.view.steps[2].dims;
    lowering.readable(node.inputs[0]);
    finish(lowering, name, middle);
    return;
  }
  const dims = wantedDims(lowering, node, a.dims);
  const roles = a.view ? null : renamed(a, dims);
  if (roles) lowering.define(name, dims, roles, a.expression, a.pending);
  else follow(lowering, name, a, { dims, order: null });
}

/** @param {Lowering} lowering @param {string} name */
function viewable(lowering, name) {
  const value = lowering.values.get(name);
  if (value?.view) return value;
  return lowering.value(name);
}

/**
 * @param {Lowering} lowering
 * @param {Node} node
 * @param {number[]} dims
 */
function wantedDims(lowering, node, dims) {
  const axes = Array.from(lowering.constant(node.inputs[1])?.data ?? node.attributes.axes ?? []);
  const rank = node.op === 'Unsqueeze' ? dims.length + axes.length : dims.length;
  const places = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  if (node.op === 'Squeeze') return dims.filter((side, i) => (places.length ? !places.includes(i) : side !== 1));
  if (node.op === 'Unsqueeze') {
    const rest = [...dims];
    return Array.from({ length: rank }, (_, i) => (places.includes(i) ? 1 : /** @type {number} */ (rest.shift())));
  }
  if (node.op === 'Flatten') {
    const axis = node.attributes.axis ?? 1;
    return [count(dims.slice(0, axis)), count(dims.slice(axis))];
  }
  return reshapedDims(dims, axes, node.attributes.allowzero === 1);
}

/**
 * The roles of a reshape that only adds or drops sides of 1; null for any other.
 * @param {Value} a
 * @param {number[]} dims
 */
function renamed(a, dims) {
  if (dims.length > 4) return null;
  const held = a.roles.filter((_, i) => a.dims[i] > 1);
  const sides = a.dims.filter((side) => side > 1);
  const wanted = dims.filter((side) => side > 1);
  if (sides.length !== wanted.length || sides.some((side, i) => side !== wanted[i])) return null;
  // Sides of 1 get the roles that are left, in the usual order.
  const free = ROLES.filter((role) => !held.includes(role));
  const queue = [...held];
  /** @type {string[]} */
  const roles = dims.map((side) => (side > 1 ? /** @type {string} */ (queue.shift()) : ''));
  if (dims.length === 4 && ROLES.every((role, i) => roles[i] === '' || roles[i] === role)) return [...ROLES];
  return roles.map((role) => role || /** @type {string} */ (free.shift()));
}

/**
 * @param {Lowering} lowering
 * @param {string} name
 * @param {Value} a
 * @param {Step} step
 */
function follow(lowering, name, a, step) {
  if (!a.view) {
    if (a.pending || a.expression.cost > 2) lowering.materialize(a);
    // Memory is by rows in the order of the graph.
  }
  const base = a.view?.base ?? a;
  const steps = [...(a.view?.steps ?? []), step];
  const uses = lowering.uses.get(name) ?? 0;
  const value = { ...base, dims: step.dims, uses, pending: null, view: { base, steps } };
  // Four dimensions after a transpose and a reshape: a picture again.
  const done = step.dims.length === 4 && step.dims[0] === 1 && step.order === null && steps.some(({ order }) => order);
  if (done) finish(lowering, name, value);
  else lowering.values.set(name, value);
}

/**
 * @param {Lowering} lowering
 * @param {string} name
 * @param {Value} value a view of four dimensions
 */
function finish(lowering, name, value) {
  const { base, steps } = /** @type {NonNullable<Value['view']>} */ (value.view);
  const [, channels, height, width] = value.dims;
  if (base.roles.length !== 4) throw new UnknownOperator('reshapes of these dimensions');
  const place = (/** @type {import('./shader_code.js').Code} */ code) => {
    const lines = ['let n = 0u;'];
    let [index, fresh] = [['n', 'k', 'u32(y)', 'u32(x)'], 0];
    for (let at = steps.length - 1; at >= 0; at--) {
      const before = at > 0 ? steps[at - 1].dims : base.dims;
      const { dims, order } = steps[at];
      if (order) {
        const moved = [...index];
        order.forEach((from, to) => { moved[from] = index[to]; });
        index = moved;
        continue;
      }
      const flat = `i${fresh++}`;
      const sum = index.map((name, i) => (i === 0 ? name : '')).filter(Boolean);
      let text = sum[0];
      for (let i = 1; i < dims.length; i++) text = `(${text}) * u32(${code.number(dims[i])}) + ${index[i]}`;
      lines.push(`let ${flat} = ${text};`);
      /** @type {string[]} */
      const found = [];
      let rest = flat;
      for (let i = before.length - 1; i >= 0; i--) {
        const name = `i${fresh++}`;
        const side = `u32(${code.number(before[i])})`;
        lines.push(i === 0 ? `let ${name} = ${rest};` : `let ${name} = ${rest} % ${side}; let q${name} = ${rest} / ${side};`);
        rest = `q${name}`;
        found.unshift(name);
      }
      index = found;
    }
    const of = (/** @type {string} */ role) => index[base.roles.indexOf(role)];
    return `${lines.join(' ')} let sy = ${of('H')}; let sx = ${of('W')}; let sc = ${of('C')};`;
  };
  lowering.define(name, value.dims, [...ROLES], rearranged(base.expression, { height, width, channels }, place));
}

/**
 * DepthToSpace and SpaceToDepth as a reshape, a transpose and a reshape.
 * @param {Node} node
 * @param {number[]} dims N, C, H, W
 * @returns {Step[]}
 */
function shuffle(node, [n, c, h, w]) {
  const { blocksize: b, mode = 'DCR' } = node.attributes;
  const step = (/** @type {number[]} */ sides, /** @type {number[] | null} */ order = null) => ({ dims: order ? order.map((i) => sides[i]) : sides, order });
  if (node.op === 'SpaceToDepth') {
    const apart = [n, c, h / b, b, w / b, b];
    return [step(apart), step(apart, [0, 3, 5, 1, 2, 4]), step([n, c * b * b, h / b, w / b])];
  }
  const deep = c / (b * b);
  const apart = mode === 'CRD' ? [n, deep, b, b, h, w] : [n, b, b, deep, h, w];
  const order = mode === 'CRD' ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
  return [step(apart), step(apart, order), step([n, deep, h * b, w * b])];
}
