// @ts-check
/** Styles that the shaders cannot run: they run in WASM, and their pictures go on on the card. */

import { openSession, runSession, setUpRuntime } from '../wasm_engine.js';

export class WasmModel {
  /** @param {any} session */
  constructor(session) {
    this.session = session;
    /** @type {GPUBuffer | null} */
    this.output = null;
  }

  /** @param {Uint8Array} bytes */
  static async open(bytes) {
    setUpRuntime();
    return new WasmModel(await openSession(bytes));
  }

  /**
   * @param {Uint8Array} pixels
   * @param {number} width
   * @param {number} height
   */
  run(pixels, width, height) {
    return runSession(this.session, pixels, width, height);
  }

  async release() {
    this.output?.destroy();
    await this.session.release();
  }
}
