// @ts-check
/**
 * Reads model files: an .onnx is one protobuf message (onnx/onnx.proto, ModelProto).
 *
 * Only what style models need is read: the graph's nodes, constants, inputs and outputs, and the description
 * (metadata) that fastnst writes.
 */

import { fields, find, floats, text, toNumber, varints, view } from './protobuf.js';

/** @typedef {Float32Array | Float64Array | Int32Array | Uint8Array | number[]} Values */

/**
 * @typedef {object} Tensor a constant of the graph
 * @property {string} name
 * @property {number} type one of `TYPES`
 * @property {number[]} dims
 * @property {Values} data in row-major order; int64 as numbers, float16 as float32
 */

/**
 * @typedef {object} Node
 * @property {string} op the operator
 * @property {string[]} inputs names; '' where an optional one is left out
 * @property {string[]} outputs
 * @property {Record<string, any>} attributes
 */

/**
 * @typedef {object} Model
 * @property {number} opset
 * @property {Node[]} nodes in an order in which they can run
 * @property {Map<string, Tensor>} constants
 * @property {{name: string, type: number, dims: (number | string)[]}[]} inputs
 * @property {{name: string, type: number, dims: (number | string)[]}[]} outputs
 * @property {Record<string, string>} properties the metadata
 */

/** TensorProto.DataType */
export const TYPES = Object.freeze({ float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, half: 10, double: 11 });

/**
 * Reads a model file. Throws an Error with one sentence for anything that is not an ONNX model.
 * @param {Uint8Array} bytes
 * @returns {Model}
 */
export function readModel(bytes) {
  /** @type {Model} */
  const model = { opset: 0, nodes: [], constants: new Map(), inputs: [], outputs: [], properties: {} };
  let graphs = 0;
  try {
    for (const field of fields(bytes)) {
      if (field.number === 7) {
        readGraph(field.bytes, model);
        graphs += 1;
      } else if (field.number === 8) {
        const [domain, version] = [text(find(field.bytes, 1)), Number(find(field.bytes, 2)?.value ?? 0)];
        if (domain === '' || domain === 'ai.onnx') model.opset = version;
      } else if (field.number === 14) {
        model.properties[text(find(field.bytes, 1))] = text(find(field.bytes, 2));
      }
    }
  } catch (error) {
    if (error instanceof RangeError) throw new Error('it is not an ONNX model, or it is damaged');
    throw error;
  }
  if (graphs !== 1 || model.nodes.length === 0) throw new Error('it is not an ONNX model, or it is damaged');
  return model;
}

/**
 * What keeps a model from being a style model of the contract, as the end of a sentence; '' if nothing does.
 * @param {Model} model
 */
export function whyNoStyle(model) {
  const { properties } = model;
  if (properties['fastnst.kind']) return `it is a ${properties['fastnst.kind']} model`;
  for (const [value, name] of [
    [model.inputs[0], 'image'],
    [model.outputs[0], 'stylized'],
  ]) {
    const { name: found, type, dims } = /** @type {Model['inputs'][0]} */ (value ?? { name: '', type: 0, dims: [] });
    if (found !== name) return `it has '${found}' where '${name}' is expected`;
    if (type !== TYPES.uint8 || dims.length !== 4 || dims[3] !== 3) {
      return `its '${name}' is not uint8 of the shape [N, H, W, 3]`;
    }
    if (typeof dims[1] === 'number' || typeof dims[2] === 'number') return 'it takes pictures of one size only';
  }
  if (model.inputs.length !== 1 || model.outputs.length !== 1) return 'it has more than one input or output';
  if (!properties['fastnst.format_version']) return 'it carries no fastnst description';
  if (properties['fastnst.format_version'] !== '1') {
    return `its format version is ${properties['fastnst.format_version']}, this page reads version 1`;
  }
  if (!properties['fastnst.name']) return 'its description names no style';
  return '';
}

/**
 * @param {Uint8Array} bytes
 * @param {Model} model
 */
function readGraph(bytes, model) {
  for (const field of fields(bytes)) {
    if (field.number === 1) model.nodes.push(readNode(field.bytes));
    else if (field.number === 5) {
      const tensor = readTensor(field.bytes);
      model.constants.set(tensor.name, tensor);
    } else if (field.number === 11) model.inputs.push(readValue(field.bytes));
    else if (field.number === 12) model.outputs.push(readValue(field.bytes));
  }
  // Old files list their constants among the inputs.
  model.inputs = model.inputs.filter((input) => !model.constants.has(input.name));
}

/**
 * @param {Uint8Array} bytes
 * @returns {Node}
 */
function readNode(bytes) {
  /** @type {Node} */
  const node = { op: '', inputs: [], outputs: [], attributes: {} };
  let domain = '';
  for (const field of fields(bytes)) {
    if (field.number === 1) node.inputs.push(text(field));
    else if (field.number === 2) node.outputs.push(text(field));
    else if (field.number === 4) node.op = text(field);
    else if (field.number === 7) domain = text(field);
    else if (field.number === 5) {
      const [name, value] = readAttribute(field.bytes);
      node.attributes[name] = value;
    }
  }
  if (domain && domain !== 'ai.onnx') node.op = `${domain}.${node.op}`;
  return node;
}

/**
 * @param {Uint8Array} bytes
 * @returns {[string, any]}
 */
function readAttribute(bytes) {
  let name = '';
  let type = 0;
  /** @type {Record<number, any>} by AttributeProto.AttributeType */
  const found = { 6: [], 7: [] };
  for (const field of fields(bytes)) {
    if (field.number === 1) name = text(field);
    else if (field.number === 20) type = Number(field.value);
    else if (field.number === 2) found[1] = view(field.bytes).getFloat32(0, true);
    else if (field.number === 3) found[2] = toNumber(field.value);
    else if (field.number === 4) found[3] = text(field);
    else if (field.number === 5) found[4] = readTensor(field.bytes);
    else if (field.number === 7) found[6].push(...(field.wire === 2 ? floats(field.bytes) : [view(field.bytes).getFloat32(0, true)]));
    else if (field.number === 8) found[7].push(...varints(field));
  }
  return [name, found[type]];
}

/**
 * @param {Uint8Array} bytes
 * @returns {Tensor}
 */
function readTensor(bytes) {
  /** @type {number[]} */
  const dims = [];
  let [name, type] = ['', 0];
  /** @type {Uint8Array | null} */
  let raw = null;
  /** @type {number[]} */
  const listed = [];
  for (const field of fields(bytes)) {
    if (field.number === 1) dims.push(...varints(field));
    else if (field.number === 2) type = Number(field.value);
    else if (field.number === 8) name = text(field);
    else if (field.number === 9) raw = field.bytes;
    else if (field.number === 4) listed.push(...floats(field.bytes));
    else if (field.number === 5 || field.number === 7) listed.push(...varints(field));
    else if (field.number === 14 && Number(field.value) === 1) throw new Error('its weights are in another file');
  }
  return { name, type, dims, data: raw ? decode(raw, type) : type === TYPES.half ? listed.map(halfToFloat) : listed };
}

/**
 * @param {Uint8Array} raw little-endian
 * @param {number} type
 * @returns {Values}
 */
function decode(raw, type) {
  const copy = raw.slice().buffer; // aligned
  switch (type) {
    case TYPES.float:
      return new Float32Array(copy);
    case TYPES.half:
      return Float32Array.from(new Uint16Array(copy), halfToFloat);
    case TYPES.double:
      return new Float64Array(copy);
    case TYPES.int64:
      return Array.from(new BigInt64Array(copy), toNumber);
    case TYPES.int32:
      return new Int32Array(copy);
    case TYPES.uint8:
    case TYPES.bool:
      return new Uint8Array(copy);
    default:
      throw new Error(`it holds constants of a type (${type}) that this page does not read`);
  }
}

/** @param {number} bits of an IEEE 754 half-precision number */
export function halfToFloat(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** @param {Uint8Array} bytes */
function readValue(bytes) {
  const name = text(find(bytes, 1));
  const tensor = find(find(bytes, 2)?.bytes ?? new Uint8Array(), 1)?.bytes ?? new Uint8Array();
  /** @type {(number | string)[]} */
  const dims = [];
  for (const field of fields(find(tensor, 2)?.bytes ?? new Uint8Array())) {
    const size = find(field.bytes, 1);
    dims.push(size ? toNumber(size.value) : text(find(field.bytes, 2)));
  }
  return { name, type: Number(find(tensor, 1)?.value ?? 0), dims };
}
