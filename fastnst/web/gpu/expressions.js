// @ts-check
/**
 * Values that are not computed yet: expressions that become WGSL functions of a pixel and four of its channels.
 *
 * A picture of C channels lies in memory by rows, pixels and channels, four of these in a vector. Padding, normalizing,
 * rectifying, adding, cropping, enlarging need no memory of their own: the kernel that needs their result computes it
 * while it reads. Sides are passed as parameters, so that another size needs no new shader.
 */

import { literal, vectors } from './shader_code.js';

/** @typedef {import('./kernels.js').VirtualBuffer} VirtualBuffer */
/** @typedef {import('./shader_code.js').Code} Code */
/** @typedef {import('./shader_code.js').Expression} Expression */

/**
 * @param {VirtualBuffer} buffer
 * @param {number} height
 * @param {number} width
 * @param {number} channels
 * @returns {Expression}
 */
export function stored(buffer, height, width, channels) {
  return {
    height, width, channels, cost: 1,
    emit: (code) => `return ${code.buffer(buffer, 'vec4<f32>')}[(u32(y) * u32(${code.number(width)}) + u32(x)) * ${vectors(channels)}u + c];`,
  };
}

/**
 * The picture that is restyled: bytes, four in a word.
 * @param {VirtualBuffer} buffer
 * @param {number} height
 * @param {number} width
 * @returns {Expression}
 */
export function bytes(buffer, height, width) {
  return {
    height, width, channels: 3, cost: 1,
    emit: (code) => `let p = ${code.buffer(buffer, 'u32')}[u32(y) * u32(${code.number(width)}) + u32(x)];
      return vec4<f32>(f32(p & 255u), f32((p >> 8u) & 255u), f32((p >> 16u) & 255u), 0.0);`,
  };
}

/** @param {number} value @returns {Expression} */
export function scalar(value) {
  return { height: 1, width: 1, channels: 1, cost: 0, emit: () => `return vec4<f32>(${literal(value)});` };
}

/**
 * What a convolution has just computed.
 * @param {number} height
 * @param {number} width
 * @param {number} channels
 * @returns {Expression}
 */
export function justComputed(height, width, channels) {
  return { height, width, channels, cost: 0, emit: () => 'return result;' };
}

/**
 * @param {Expression} a
 * @param {(value: string) => string} formula
 * @param {number} [extra] cost
 * @returns {Expression}
 */
export function unary(a, formula, extra = 0) {
  return { ...sides(a), cost: a.cost + extra, emit: (code) => `let v = ${code.call(a)}(y, x, c); return ${formula('v')};` };
}

/**
 * Both may have sides of 1 where the other has more.
 * @param {Expression} a
 * @param {Expression} b
 * @param {(a: string, b: string) => string} formula
 * @returns {Expression}
 */
export function binary(a, b, formula) {
  const whole = {
    height: Math.max(a.height, b.height), width: Math.max(a.width, b.width), channels: Math.max(a.channels, b.channels),
  };
  return {
    ...whole, cost: a.cost + b.cost,
    emit: (code) => `let v = ${spread(code, a, whole)}; let w = ${spread(code, b, whole)}; return ${formula('v', 'w')};`,
  };
}

/**
 * @param {Expression} a
 * @param {{height: number, width: number, channels: number}} whole
 * @returns {Expression}
 */
export function expanded(a, whole) {
  return { ...whole, cost: a.cost, emit: (code) => `return ${spread(code, a, whole)};` };
}

/**
 * @param {Code} code
 * @param {Expression} a
 * @param {{height: number, width: number, channels: number}} whole
 */
function spread(code, a, whole) {
  const name = code.call(a);
  const [y, x] = [a.height < whole.height ? '0' : 'y', a.width < whole.width ? '0' : 'x'];
  return a.channels < whole.channels ? `vec4<f32>(${name}(${y}, ${x}, 0u).x)` : `${name}(${y}, ${x}, c)`;
}

/**
 * Scaled and shifted by channel.
 * @param {Expression} a
 * @param {VirtualBuffer} scales scales of all channels, then shifts
 * @returns {Expression}
 */
export function normalized(a, scales) {
  return {
    ...sides(a), cost: a.cost,
    emit: (code) => {
      const s = code.buffer(scales, 'vec4<f32>');
      return `return ${code.call(a)}(y, x, c) * ${s}[c] + ${s}[c + ${vectors(a.channels)}u];`;
    },
  };
}

/**
 * @param {Expression} a
 * @param {{top: number, bottom: number, left: number, right: number, mode: string, value: number}} pad negative sides crop
 * @returns {Expression}
 */
export function padded(a, { top, bottom, left, right, mode, value }) {
  return {
    height: a.height + top + bottom, width: a.width + left + right, channels: a.channels, cost: a.cost,
    emit: (code) => {
      const [h, w, t, l] = [a.height, a.width, top, left].map((side) => code.number(side));
      const place = `let j = y - ${t}; let i = x - ${l};`;
      const name = code.call(a);
      if (mode === 'reflect') return `${place} return ${name}(mirrored(j, ${h}), mirrored(i, ${w}), c);`;
      if (mode === 'edge') return `${place} return ${name}(clamp(j, 0, ${h} - 1), clamp(i, 0, ${w} - 1), c);`;
      if (mode === 'wrap') return `${place} return ${name}((j + ${h}) % ${h}, (i + ${w}) % ${w}, c);`;
      // No branch: it is inlined often, and some compilers take minutes over that.
      return `${place} let m = clamp(j, 0, ${h} - 1); let n = clamp(i, 0, ${w} - 1);
        return select(vec4<f32>(${literal(value)}), ${name}(m, n, c), j == m && i == n);`;
    },
  };
}

/**
 * Every `step`th row and column from the first.
 * @param {Expression} a
 * @param {{top: number, left: number, height: number, width: number, stepY: number, stepX: number}} part
 * @returns {Expression}
 */
export function cropped(a, { top, left, height, width, stepY, stepX }) {
  return {
    height, width, channels: a.channels, cost: a.cost,
    emit: (code) => `return ${code.call(a)}(y * ${stepY} + ${code.number(top)}, x * ${stepX} + ${code.number(left)}, c);`,
  };
}

/**
 * Some of the channels, one behind the other from several.
 * @param {{from: Expression, start: number, count: number}[]} parts
 * @returns {Expression}
 */
export function channelsOf(parts) {
  const channels = parts.reduce((sum, part) => sum + part.count, 0);
  const { height, width } = parts[0].from;
  return {
    height, width, channels, cost: parts.length === 1 ? parts[0].from.cost : 1 + Math.max(...parts.map(({ from }) => from.cost)),
    emit: (code) => {
      let begin = 0;
      const cases = parts.map(({ from, start, count }) => {
        const [first, end] = [begin, begin + count];
        begin = end;
        return `if (k >= ${first}u && k < ${end}u) { let q = k - ${first}u + ${start}u; v[l] = ${code.call(from)}(y, x, q / 4u)[q % 4u]; }`;
      });
      return `var v = vec4<f32>(0.0); for (var l = 0u; l < 4u; l++) { let k = c * 4u + l; ${cases.join(' ')} } return v;`;
    },
  };
}

/**
 * The sum over all channels, times a factor.
 * @param {Expression} a
 * @param {number} factor
 * @returns {Expression}
 */
export function channelSum(a, factor) {
  const [full, rest] = [Math.floor(a.channels / 4), a.channels % 4];
  const mask = [0, 1, 2, 3].map((lane) => (lane < rest ? '1.0' : '0.0')).join(', ');
  return {
    height: a.height, width: a.width, channels: 1, cost: a.cost * vectors(a.channels),
    emit: (code) => `var s = vec4<f32>(0.0); for (var k = 0u; k < ${full}u; k++) { s += ${code.call(a)}(y, x, k); }
      ${rest ? `s += ${code.call(a)}(y, x, ${full}u) * vec4<f32>(${mask});` : ''} return vec4<f32>((s.x + s.y + s.z + s.w) * ${literal(factor)});`,
  };
}

/**
 * @param {Expression} a
 * @param {{height: number, width: number, inverseY: number, inverseX: number, mode: string, place: string, rounding: string}} how
 *   the inverses are source pixels for one of the result; place is ONNX's coordinate_transformation_mode
 * @returns {Expression}
 */
export function resized(a, { height, width, inverseY, inverseX, mode, place, rounding }) {
  const source = (/** @type {string} */ at, /** @type {number} */ inverse) =>
    place === 'asymmetric' ? `f32(${at}) * ${literal(inverse)}` : `(f32(${at}) + 0.5) * ${literal(inverse)} - 0.5`;
  /** @type {Record<string, (v: string) => string>} */
  const rounded = {
    floor: (v) => `floor(${v} + 1e-4)`,
    ceil: (v) => `ceil(${v} - 1e-4)`,
    round_prefer_floor: (v) => `ceil(${v} - 0.5)`,
    round_prefer_ceil: (v) => `floor(${v} + 0.5)`,
  };
  return {
    height, width, channels: a.channels, cost: mode === 'nearest' ? a.cost : 4 * a.cost,
    emit: (code) => {
      const [h, w, name] = [code.number(a.height), code.number(a.width), code.call(a)];
      const [sy, sx] = [source('y', inverseY), source('x', inverseX)];
      if (mode === 'nearest') {
        return `return ${name}(clamp(i32(${rounded[rounding](sy)}), 0, ${h} - 1), clamp(i32(${rounded[rounding](sx)}), 0, ${w} - 1), c);`;
      }
      return `let v = clamp(${sy}, 0.0, f32(${h} - 1)); let u = clamp(${sx}, 0.0, f32(${w} - 1));
        let j = i32(v); let i = i32(u); let n = min(j + 1, ${h} - 1); let m = min(i + 1, ${w} - 1); let t = u - f32(i);
        return mix(mix(${name}(j, i, c), ${name}(j, m, c), t), mix(${name}(n, i, c), ${name}(n, m, c), t), v - f32(j));`;
    },
  };
}

/**
 * @param {Expression} a padded already
 * @param {{height: number, width: number, kernel: number[], strides: number[], average: boolean,
 *   inside: {top: number, left: number, height: number, width: number} | null}} how `inside`: where the picture lies in its
 *   padding, of which an average takes no notice then
 * @returns {Expression}
 */
export function pooled(a, { height, width, kernel, strides, average, inside }) {
  const [h, w] = kernel;
  return {
    height, width, channels: a.channels, cost: a.cost * h * w,
    emit: (code) => {
      const extent = (/** @type {string} */ at, /** @type {number} */ stride, /** @type {number} */ size, /** @type {number} */ start, /** @type {number} */ end) => {
        const first = `(${at} * ${stride} - ${start})`;
        return `f32(min(${first} + ${size}, ${code.number(end)}) - max(${first}, 0))`;
      };
      const count = inside
        ? `${extent('y', strides[0], h, inside.top, inside.height)} * ${extent('x', strides[1], w, inside.left, inside.width)}`
        : literal(h * w);
      return `var s = vec4<f32>(${average ? '0.0' : '-3.4e38'});
      for (var j = 0; j < ${h}; j++) { for (var i = 0; i < ${w}; i++) {
        let v = ${code.call(a)}(y * ${strides[0]} + j, x * ${strides[1]} + i, c); s = ${average ? 's + v' : 'max(s, v)'}; } }
      return s${average ? ` / (${count})` : ''};`;
    },
  };
}

/**
 * Numbers in another order: what reshapes and transposes of more than four dimensions do.
 * @param {Expression} a
 * @param {{height: number, width: number, channels: number}} whole
 * @param {(code: Code) => string} place WGSL that makes `sy`, `sx`, `sc` (u32) of `n` (always 0), `k` (channel), `y`, `x`
 * @returns {Expression}
 */
export function rearranged(a, whole, place) {
  return {
    ...whole, cost: 16 * a.cost,
    emit: (code) => `var v = vec4<f32>(0.0); for (var l = 0u; l < 4u; l++) { let k = c * 4u + l; if (k >= ${whole.channels}u) { break; }
      ${place(code)} v[l] = ${code.call(a)}(i32(sy), i32(sx), sc / 4u)[sc % 4u]; } return v;`,
  };
}

/** @param {Expression} a */
function sides({ height, width, channels }) {
  return { height, width, channels };
}
