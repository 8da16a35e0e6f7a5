// @ts-check
/** Weights in the order in which the shaders read them. */

import { vectors } from './shader_code.js';

/** @typedef {import('./lowering.js').Lowering} Lowering */
/** @typedef {import('./constants.js').Constant} Constant */

/**
 * 4×4 matrices by output, row, column and input (four channels each), or vectors by row, column and channel.
 * @param {Lowering} lowering
 * @param {string} name
 * @param {Constant} weights `[O, I, H, W]`
 * @param {boolean} depthwise
 */
export function packConvolution(lowering, name, weights, depthwise) {
  const [outputs, inputs, rows, columns] = weights.dims;
  const [o4, i4] = [vectors(outputs), vectors(inputs)];
  const size = (depthwise ? 4 : 16) * rows * columns * o4 * (depthwise ? 1 : i4);
  const pack = () => {
    const packed = new Float32Array(size);
    let from = 0;
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let y = 0; y < rows; y++) {
          for (let x = 0; x < columns; x++) {
            const matrix = (((o >> 2) * rows + y) * columns + x) * i4 + (i >> 2);
            const to = depthwise ? ((y * columns + x) * o4 + (o >> 2)) * 4 + (o & 3) : 16 * matrix + 4 * (i & 3) + (o & 3);
            packed[to] = weights.data[from++];
          }
        }
      }
    }
    return lowering.half ? Uint16Array.from(packed, floatToHalf) : packed;
  };
  return lowering.upload(`${lowering.half ? 'half' : 'float'} ${name}`, pack, size * (lowering.half ? 2 : 4));
}

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/**
 * The bits of the nearest half-precision number (ties to even).
 * @param {number} value
 */
export function floatToHalf(value) {
  FLOAT[0] = value;
  const [bits] = BITS;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude < 0x38800000) return sign | roundEven(Math.abs(value) * 2 ** 24); // subnormal
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** @param {number} value */
function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + Number(rest > 0.5 || (rest === 0.5 && floor % 2 === 1));
}
