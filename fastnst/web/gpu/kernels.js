// @ts-check
/** The compute shaders: convolution, sums over a picture, and storing an expression. */

import { Code, literal, vectors } from './shader_code.js';

/** @typedef {import('./shader_code.js').Expression} Expression */

/**
 * Memory that a plan needs: a constant's, or that of a value between kernels, which shares it with others later.
 * @typedef {object} VirtualBuffer
 * @property {number} bytes
 * @property {string} [key] names a constant
 * @property {() => ArrayBufferView} [data] a constant's content
 * @property {'input' | 'output'} [role]
 */

/**
 * @typedef {object} Kernel
 * @property {string} text WGSL
 * @property {{buffer: VirtualBuffer, type: string, write: boolean}[]} bindings from binding 1 on; 0 are the parameters
 * @property {number[]} parameters
 * @property {number[]} groups workgroups
 */

const ACROSS = 4; // pixels of one row that an invocation computes
const LANES = 64;
const MAX_PARTS = 512; // workgroups that sum a picture up

/**
 * @typedef {object} Convolution
 * @property {Expression} input padded already
 * @property {VirtualBuffer} weights 4×4 matrices by output, row, column, input; vectors by row, column, channel if depthwise
 * @property {VirtualBuffer | null} bias
 * @property {number} height of the result
 * @property {number} width
 * @property {number} outputs channels
 * @property {number} kernelY
 * @property {number} kernelX
 * @property {number[]} strides
 * @property {number[]} dilations
 * @property {boolean} depthwise
 * @property {boolean} half whether the weights are in half precision
 */

/**
 * @param {Convolution} conv
 * @param {Expression} then what follows, of `justComputed`
 * @param {VirtualBuffer} target
 * @returns {Kernel}
 */
export function convolve(conv, then, target) {
  const code = new Code();
  code.half = conv.half;
  const [w, h] = [code.number(then.width), code.number(then.height)];
  const load = code.call(conv.input);
  const matrix = conv.depthwise ? 'vec4' : 'mat4x4';
  const weights = code.buffer(conv.weights, conv.half ? `${matrix}<f16>` : `${matrix}<f32>`);
  const bias = conv.bias ? code.buffer(conv.bias, 'vec4<f32>') : null;
  const store = storing(code, then, target);
  const outputs = vectors(conv.outputs);
  const together = conv.depthwise ? 1 : Math.min(2, outputs);
  const [strideY, strideX] = conv.strides;
  const [dilationY, dilationX] = conv.dilations;
  const reads = (ACROSS - 1) * strideX + (conv.kernelX - 1) * dilationX + 1;
  const range = (/** @type {number} */ n) => [...Array(n).keys()];
  const weight = (/** @type {string} */ at) => (conv.half ? `${matrix}<f32>(${weights}[${at}])` : `${weights}[${at}]`);
  const taps = (/** @type {number} */ q) => range(conv.kernelX).map((kx) => {
    const place = conv.depthwise
      ? `(ky * ${conv.kernelX}u + ${kx}u) * ${outputs}u + c`
      : `(((o + ${q}u) * ${conv.kernelY}u + ky) * ${conv.kernelX}u + ${kx}u) * INPUTS + c`;
    const sums = range(ACROSS).map((p) => `a${q}_${p} += m * v${p * strideX + kx * dilationX};`);
    return `{ let m = ${weight(place)}; ${sums.join(' ')} }`;
  });
  const inner = `${range(reads).map((k) => `let v${k} = ${load}(row, left + ${k}, c);`).join(' ')}
      ${range(together).flatMap(taps).join('\n      ')}`;
  const main = `const INPUTS = ${vectors(conv.input.channels)}u;
@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let x0 = i32(id.x) * ${ACROSS}; let y = i32(id.y); let o = id.z * ${together}u;
  if (x0 >= ${w} || y >= ${h}) { return; }
  ${range(together).flatMap((q) => range(ACROSS).map((p) => `var a${q}_${p} = ${bias ? `${bias}[min(o + ${q}u, ${outputs - 1}u)]` : 'vec4<f32>(0.0)'};`)).join(' ')}
  let left = x0 * ${strideX};
  for (var ky = 0u; ky < ${conv.kernelY}u; ky++) {
    let row = y * ${strideY} + i32(ky) * ${dilationY};
    ${conv.depthwise ? `{ let c = o; ${inner} }` : `for (var c = 0u; c < INPUTS; c++) { ${inner} }`}
  }
  ${range(together).flatMap((q) => range(ACROSS).map((p) => `if (x0 + ${p} < ${w}${q ? ` && o + ${q}u < ${outputs}u` : ''}) { result = a${q}_${p}; ${store(`x0 + ${p}`, `o + ${q}u`)} }`)).join('\n  ')}
}`;
  const groups = [Math.ceil(then.width / (8 * ACROSS)), Math.ceil(then.height / 8), Math.ceil(outputs / together)];
  return { text: code.text(main), bindings: code.bindings, parameters: code.parameters, groups };
}

/**
 * @param {Expression} expression
 * @param {VirtualBuffer} target
 * @returns {Kernel}
 */
export function store(expression, target) {
  const code = new Code();
  const [w, h] = [code.number(expression.width), code.number(expression.height)];
  const write = storing(code, expression, target);
  const main = `@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let x = i32(id.x); let y = i32(id.y); if (x >= ${w} || y >= ${h}) { return; }
  ${write('x', 'id.z')} }`;
  const groups = [Math.ceil(expression.width / 8), Math.ceil(expression.height / 8), vectors(expression.channels)];
  return { text: code.text(main), bindings: code.bindings, parameters: code.parameters, groups };
}

/**
 * A statement that stores an expression's value: as bytes in words where it is the picture, else as vectors.
 * @param {Code} code
 * @param {Expression} expression
 * @param {VirtualBuffer} target
 */
function storing(code, expression, target) {
  const picture = target.role === 'output';
  const name = code.call(expression);
  const out = code.buffer(target, picture ? 'u32' : 'vec4<f32>', true);
  const width = code.number(expression.width);
  const rest = expression.channels % 4; // lanes without a channel are 0: what they hold else may be no number at all
  const lanes = [0, 1, 2, 3].map((lane) => lane < rest).join(', ');
  const whole = (/** @type {string} */ value, /** @type {string} */ c) =>
    rest === 0 ? value : `select(${value}, select(vec4<f32>(0.0), ${value}, vec4<bool>(${lanes})), ${c} == ${vectors(expression.channels) - 1}u)`;
  return (/** @type {string} */ x, /** @type {string} */ c) =>
    picture
      ? `let q = vec4<u32>(clamp(${name}(y, ${x}, 0u), vec4<f32>(0.0), vec4<f32>(255.0)));
        ${out}[u32(y * ${width} + ${x})] = q.x | (q.y << 8u) | (q.z << 16u) | 0xff000000u;`
      : `${out}[u32(y * ${width} + ${x}) * ${vectors(expression.channels)}u + ${c}] = ${whole(`${name}(y, ${x}, ${c})`, c)};`;
}

/**
 * Two kernels: sums of workgroups, then of these. Differences from the first pixel are summed, not the values: sums of
 * squares would lose what tells them apart.
 * @param {Expression} input
 * @param {VirtualBuffer} parts for the sums of workgroups
 * @param {VirtualBuffer} target
 * @param {{epsilon: number, scale: VirtualBuffer, shift: VirtualBuffer} | null} norm for instance normalization: the
 *   target gets scales and shifts; else the means
 * @returns {Kernel[]}
 */
export function average(input, parts, target, norm) {
  const all = vectors(input.channels);
  const block = Math.min(all, LANES);
  const rows = Math.floor(LANES / block);
  const pixels = input.width * input.height;
  const groups = partCount(pixels);
  const each = Math.ceil(pixels / groups);

  const first = new Code();
  const [w, n, per] = [first.number(input.width), first.number(pixels), first.number(each)];
  const load = first.call(input);
  const out = first.buffer(parts, 'vec4<f32>', true);
  const sum = `var<workgroup> sums: array<vec4<f32>, ${2 * LANES}>;
@compute @workgroup_size(${LANES}) fn main(@builtin(workgroup_id) g: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let c = g.y * ${block}u + t % ${block}u; let lane = t / ${block}u;
  var s = vec4<f32>(0.0); var q = vec4<f32>(0.0);
  if (lane < ${rows}u && c < ${all}u) {
    let origin = ${load}(0, 0, c); let end = min((i32(g.x) + 1) * ${per}, ${n});
    for (var p = i32(g.x) * ${per} + i32(lane); p < end; p += ${rows}) { let d = ${load}(p / ${w}, p % ${w}, c) - origin; s += d; q += d * d; }
  }
  sums[t] = s; sums[t + ${LANES}u] = q; workgroupBarrier();
  if (lane != 0u || c >= ${all}u) { return; }
  for (var k = 1u; k < ${rows}u; k++) { s += sums[t + k * ${block}u]; q += sums[t + k * ${block}u + ${LANES}u]; }
  let i = (g.x * ${all}u + c) * 2u; ${out}[i] = s; ${out}[i + 1u] = q;
}`;
  const second = new Code();
  const [total, count] = [second.number(pixels), second.number(groups)];
  const origin = second.call(input);
  const [from, to] = [second.buffer(parts, 'vec4<f32>'), second.buffer(target, 'vec4<f32>', true)];
  const finish = norm
    ? `let scale = ${second.buffer(norm.scale, 'vec4<f32>')}[c] * inverseSqrt(max(q / n - m * m, vec4<f32>(0.0)) + ${literal(norm.epsilon)});
  ${to}[c] = scale; ${to}[c + ${all}u] = ${second.buffer(norm.shift, 'vec4<f32>')}[c] - (m + ${origin}(0, 0, c)) * scale;`
    : `${to}[c] = m + ${origin}(0, 0, c);`;
  const join = `var<workgroup> sums: array<vec4<f32>, ${2 * LANES}>;
@compute @workgroup_size(${LANES}) fn main(@builtin(workgroup_id) g: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let c = g.x; var s = vec4<f32>(0.0); var q = vec4<f32>(0.0);
  for (var k = i32(t); k < ${count}; k += ${LANES}) { let i = (u32(k) * ${all}u + c) * 2u; s += ${from}[i]; q += ${from}[i + 1u]; }
  sums[t] = s; sums[t + ${LANES}u] = q; workgroupBarrier();
  for (var step = ${LANES / 2}u; step > 0u; step /= 2u) {
    if (t < step) { sums[t] += sums[t + step]; sums[t + ${LANES}u] += sums[t + step + ${LANES}u]; }
    workgroupBarrier();
  }
  if (t != 0u) { return; }
  let n = f32(${total}); let m = sums[0] / n; q = sums[${LANES}];
  ${finish}
}`;
  return [
    { text: first.text(sum), bindings: first.bindings, parameters: first.parameters, groups: [groups, Math.ceil(all / block), 1] },
    { text: second.text(join), bindings: second.bindings, parameters: second.parameters, groups: [all, 1, 1] },
  ];
}

/** Workgroups that sum so many pixels up. @param {number} pixels */
export function partCount(pixels) {
  return Math.max(1, Math.min(MAX_PARTS, Math.ceil(pixels / 256)));
}
