// @ts-check
/** The text of a shader (WGSL), collected from the expressions that it computes. */

/** @typedef {import('./kernels.js').VirtualBuffer} VirtualBuffer */

/** Collects the text of one shader. */
export class Code {
  constructor() {
    /** @type {{buffer: VirtualBuffer, type: string, write: boolean}[]} */
    this.bindings = [];
    /** @type {number[]} */
    this.parameters = [];
    /** @type {string[]} */
    this.functions = [];
    /** @type {Map<Expression, string>} */
    this.names = new Map();
    this.half = false;
  }

  /**
   * @param {VirtualBuffer} buffer
   * @param {string} type of its elements
   * @param {boolean} [write]
   * @returns {string} its name
   */
  buffer(buffer, type, write = false) {
    let at = this.bindings.findIndex((other) => other.buffer === buffer);
    if (at < 0) at = this.bindings.push({ buffer, type, write }) - 1;
    return `b${at}`;
  }

  /** A number that depends on the picture's size. @param {number} value */
  number(value) {
    const at = this.parameters.push(value) - 1;
    return `P[${at >> 2}][${at & 3}]`;
  }

  /** The name of an expression's function. @param {Expression} expression @returns {string} */
  call(expression) {
    let name = this.names.get(expression);
    if (name === undefined) {
      const body = expression.emit(this);
      name = `f${this.functions.length}`;
      this.functions.push(`fn ${name}(y: i32, x: i32, c: u32) -> vec4<f32> { ${body} }`);
      this.names.set(expression, name);
    }
    return name;
  }

  /** The whole shader. @param {string} main */
  text(main) {
    const storage = this.bindings.map(({ type, write }, i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${write ? 'read_write' : 'read'}> b${i}: array<${type}>;`);
    const size = Math.max(1, Math.ceil(this.parameters.length / 4));
    return [
      this.half ? 'enable f16;' : '',
      `@group(0) @binding(0) var<uniform> P: array<vec4<i32>, ${size}>;`,
      ...storage,
      'var<private> result: vec4<f32>;', // of a convolution, for what follows it
      'fn mirrored(i: i32, n: i32) -> i32 { let a = abs(i); return select(a, 2 * n - 2 - a, a >= n); }',
      ...this.functions,
      main,
    ].filter(Boolean).join('\n');
  }
}

/**
 * @typedef {object} Expression
 * @property {number} height
 * @property {number} width
 * @property {number} channels
 * @property {number} cost reads from memory for one vector; what costs more than one is stored before it is read often
 * @property {(code: Code) => string} emit the body of its function
 */

/** @param {number} channels */
export function vectors(channels) {
  return Math.ceil(channels / 4);
}

/** @param {number} value */
export function literal(value) {
  if (!Number.isFinite(value)) return value > 0 ? '3.4e38' : '-3.4e38';
  const text = Math.fround(value).toPrecision(9);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
