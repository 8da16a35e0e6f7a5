// @ts-check
/** Which engine runs: WebGPU where there is a real card that computes right, else WASM. */

import { GpuEngine } from './gpu/engine.js';
import { rgb } from './pixels.js';
import { WasmEngine } from './wasm_engine.js';

/** @typedef {(WasmEngine | GpuEngine) & {onLost?: (reason: string) => void}} Engine */

const TOLERANCE = 2; // levels of 255, for 99.9 % of the values
const AGREEING = 0.999;

/**
 * @param {'auto' | 'webgpu' | 'wasm'} wanted `webgpu` takes an adapter that computes on the processor, too
 * @returns {Promise<{engine: Engine, why: string}>} and why it is not WebGPU, '' where it is or is not wanted
 */
export async function openEngine(wanted) {
  if (wanted === 'wasm') return { engine: new WasmEngine(), why: '' };
  try {
    const engine = await GpuEngine.open(wanted === 'webgpu');
    await engine.prepare();
    await selfTest(engine);
    return { engine, why: '' };
  } catch (error) {
    const why = `No WebGPU: ${error instanceof Error ? error.message : error}.`;
    return { engine: new WasmEngine(), why };
  }
}

/**
 * Runs a small network with all operators of our networks on a stored picture: drivers have bugs, and wrong pictures are
 * worse than slow ones.
 * @param {GpuEngine} engine
 */
async function selfTest(engine) {
  const [network, input, expected] = await Promise.all(['network.onnx', 'input.png', 'expected.png'].map(async (name) => {
    const answer = await fetch(new URL(`./selftest/${name}`, import.meta.url));
    if (!answer.ok) throw new Error(`${name} is missing`);
    return answer.blob();
  }));
  const { width, height, pixels } = await decoded(input);
  await engine.use(0, new Uint8Array(await network.arrayBuffer()));
  if (engine.aside) throw new Error(engine.aside);
  const found = await engine.run(0, pixels, width, height);
  await engine.use(0, null);
  const wanted = (await decoded(expected)).pixels;
  const near = found.reduce((sum, value, i) => sum + Number(Math.abs(value - wanted[i]) <= TOLERANCE), 0);
  if (near < AGREEING * wanted.length) throw new Error('the graphics card computes something else than it should');
}

/** @param {Blob} file */
async function decoded(file) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(width, height).getContext('2d'));
  context.drawImage(bitmap, 0, 0);
  return { width, height, pixels: rgb(context.getImageData(0, 0, width, height).data) };
}
