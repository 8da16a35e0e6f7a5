// @ts-check
/** Reads protobuf messages (protobuf.dev/programming-guides/encoding), a field at a time. */

const LARGEST_EXACT = Number.MAX_SAFE_INTEGER;

/** @typedef {{number: number, wire: number, value: bigint, bytes: Uint8Array}} Field */

/**
 * The fields of a protobuf message. Throws RangeError for what is none.
 * @param {Uint8Array} message
 * @returns {Generator<Field>}
 */
export function* fields(message) {
  let position = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (position >= message.length) break;
      const byte = message[position++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw new RangeError('a number without an end');
  };
  while (position < message.length) {
    const tag = Number(varint());
    const [number, wire] = [tag >> 3, tag & 7];
    let [value, length] = [0n, 0];
    if (wire === 0) value = varint();
    else if (wire === 2) length = Number(varint());
    else if (wire === 1 || wire === 5) length = wire === 1 ? 8 : 4;
    else throw new RangeError('no protobuf message');
    if (number <= 0 || length < 0 || position + length > message.length) throw new RangeError('no protobuf message');
    yield { number, wire, value, bytes: message.subarray(position, position + length) };
    position += length;
  }
}

/**
 * The last field of that number, as protobuf has it.
 * @param {Uint8Array} message
 * @param {number} number
 */
export function find(message, number) {
  /** @type {Field | undefined} */
  let found;
  for (const field of fields(message)) if (field.number === number) found = field;
  return found;
}

/** @param {Field | undefined} field */
export function text(field) {
  return field ? new TextDecoder().decode(field.bytes) : '';
}

/** @param {Field} field one number, or packed ones */
export function varints(field) {
  if (field.wire === 0) return [toNumber(field.value)];
  const numbers = [];
  let [value, shift] = [0n, 0n];
  for (const byte of field.bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      numbers.push(toNumber(BigInt.asIntN(64, value)));
      [value, shift] = [0n, 0n];
    }
  }
  return numbers;
}

/** @param {Uint8Array} bytes */
export function floats(bytes) {
  return [...new Float32Array(bytes.slice().buffer)];
}

/** @param {Uint8Array} bytes */
export function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @param {bigint} value int64; what a slice means by "to the end" becomes the largest exact number */
export function toNumber(value) {
  const number = Number(value);
  return Math.max(-LARGEST_EXACT, Math.min(LARGEST_EXACT, number));
}
